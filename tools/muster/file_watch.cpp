#include "tools/muster/file_watch.hpp"

#include <sys/stat.h>

namespace muster {

file_stamp stamp_of(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0)
    return {};
  return {true,
          int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec,
          int64_t{found.st_size}, uint64_t{found.st_ino}};
}

file_sight file_watch::look(const file_stamp& now) {
  if (now == read_) {
    seen_.reset();
    return file_sight::same;
  }
  if (seen_ != now) {
    seen_ = now;
    return file_sight::settling;
  }
  was_read(now);
  return now.exists ? file_sight::changed : file_sight::gone;
}

void file_watch::was_read(const file_stamp& stamp) {
  read_ = stamp;
  seen_.reset();
}

} // namespace muster
