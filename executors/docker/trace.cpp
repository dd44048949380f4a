#include "executors/docker/trace.hpp"

#include <cerrno>
#include <unistd.h>
#include <utility>

namespace muster::docker::trace {

namespace {

constexpr const char* clear = "\x1b[0K";
constexpr const char* line_end = "\x1b[0;m\n";
constexpr const char* bold_green = "\x1b[32;1m";
constexpr const char* yellow = "\x1b[0;33m";

std::mutex& mutex_of(int fd) {
  static std::mutex mutexes[2];
  return mutexes[fd == STDERR_FILENO ? 1 : 0];
}

thread_local std::shared_ptr<gate> waits_behind;

} // namespace

void line(const char* begin, std::string_view text) {
  auto whole = begin + std::string{text} + line_end;
  if (!waits_behind) {
    bytes(STDOUT_FILENO, whole);
    return;
  }
  std::lock_guard guard{waits_behind->mutex_};
  if (waits_behind->is_open_)
    bytes(STDOUT_FILENO, whole);
  else
    waits_behind->held_ += whole;
}

void gate::open() {
  std::lock_guard guard{mutex_};
  is_open_ = true;
  bytes(STDOUT_FILENO, std::exchange(held_, ""));
}

behind::behind(std::shared_ptr<gate> what) {
  waits_behind = std::move(what);
}

behind::~behind() {
  waits_behind.reset();
}

void plain(std::string_view text) {
  line(clear, text);
}

void info(std::string_view text) {
  line(bold_green, text);
}

void warning(std::string_view text) {
  line(yellow, "WARNING: " + std::string{text});
}

void bytes(int fd, std::string_view text) {
  std::lock_guard guard{mutex_of(fd)};
  while (!text.empty()) {
    auto n = ::write(fd, text.data(), text.size());
    if (n > 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (n < 0 && errno != EINTR)
      ::_exit(1);
  }
}

} // namespace muster::docker::trace
