#include "tools/coordinator/artifact_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

namespace muster::gitlab {

namespace {

std::string folder() {
  const char* named = std::getenv("TMPDIR");
  if (named != nullptr && *named != '\0')
    return named;
  return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

tl::unexpected<failure<artifact_errc>> disk_failure(const char* what) {
  return fail(artifact_errc::disk, fmt::format("{} in {}: {}", what, folder(),
                                               std::strerror(errno)));
}

} // namespace

result<std::unique_ptr<artifact_file>, artifact_errc>
artifact_file::create(uint64_t size_max) {
  auto name = folder() + "/muster-artifact-XXXXXX";
  int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0)
    return disk_failure("cannot make a file");
  unlink(name.c_str());
  return std::unique_ptr<artifact_file>{new artifact_file{fd, size_max}};
}

artifact_file::~artifact_file() {
  close(fd_);
}

result<void, artifact_errc> artifact_file::append(std::string_view bytes) {
  if (bytes.size() > size_max_ - size_)
    return fail(artifact_errc::too_large,
                fmt::format("larger than {} bytes", size_max_));
  for (auto rest = bytes; !rest.empty();) {
    auto count = ::write(fd_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return disk_failure("cannot write an artifact");
    rest.remove_prefix(static_cast<size_t>(count));
  }
  size_ += bytes.size();
  crc_ = static_cast<uint32_t>(
    crc32_z(crc_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  return {};
}

std::string artifact_file::read(uint64_t offset, size_t size) const {
  std::string result(std::min<uint64_t>(size, size_ - std::min(size_, offset)),
                     '\0');
  size_t done = 0;
  while (done < result.size()) {
    auto count = pread(fd_, result.data() + done, result.size() - done,
                       static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return {};
    done += static_cast<size_t>(count);
  }
  return result;
}

} // namespace muster::gitlab
