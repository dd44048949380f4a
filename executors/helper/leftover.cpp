#include "executors/helper/leftover.hpp"

#include "executors/helper/frames.hpp"
#include "executors/helper/unique_fd.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::helper {

job_plan leftover_of(const job_plan& plan) {
  job_plan out;
  out.key = plan.key;
  if (!plan.containers)
    return out;
  const auto& from = *plan.containers;
  auto& to = out.containers.emplace();
  to.host = from.host;
  to.api_version = from.api_version;
  to.job_label = from.job_label;
  to.helper.name = from.helper.name;
  to.build.name = from.build.name;
  for (const auto& x : from.volumes)
    if (x.temporary)
      to.volumes.push_back({x.name, x.destination, "", true});
  if (from.network)
    to.network = network_request{from.network->name, ""};
  to.keep_anonymous_volumes = from.keep_anonymous_volumes;
  return out;
}

result<void, helper_errc> write_leftover(const std::string& path,
                                         const job_plan& plan) {
  auto bytes = frames::encode(frames::run_of(leftover_of(plan)));
  unique_fd file{
    ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  auto n = file ? ::write(file.get(), bytes.data(), bytes.size()) : -1;
  if (n == static_cast<ssize_t>(bytes.size()))
    return {};
  auto why = n < 0 ? std::strerror(errno) : "no space is left";
  ::unlink(path.c_str());
  return fail(helper_errc::failed, path + ": " + why);
}

std::optional<job_plan> read_leftover(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return frames::containers_plan_of(bytes.str());
}

} // namespace muster::helper
