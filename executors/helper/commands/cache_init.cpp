#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>

namespace muster::helper {

int cache_init(const std::vector<std::string>& arguments) {
  std::vector<std::string> paths;
  if (auto wrong = read_flags({}, arguments, &paths))
    return log::fatal("cache-init: " + *wrong);
  if (paths.empty())
    return log::fatal("No arguments passed, at least 1 path is required.");
  for (const auto& path : paths)
    if (::chmod(path.c_str(), 0777) != 0)
      return log::fatal("failed to chmod path",
                        {{"path", path}, {"error", std::strerror(errno)}});
  return 0;
}

} // namespace muster::helper
