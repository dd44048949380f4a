#include "actors/journal/state_lock.hpp"

#include "actors/journal/state_folder.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

/// The process id that the holder wrote, or words for it.
std::string holder(int file) {
  char text[32];
  auto size = ::pread(file, text, sizeof text, 0);
  std::string digits;
  for (auto i = 0; i < size && text[i] >= '0' && text[i] <= '9'; ++i)
    digits += text[i];
  return digits.empty() ? "unknown" : digits;
}

/// Writes the id for whoever is refused. Failing to is no reason not to start.
void write_holder(int file) {
  auto text = fmt::format("{}\n", ::getpid());
  [[maybe_unused]] auto done
    = ::ftruncate(file, 0) == 0
      && ::pwrite(file, text.data(), text.size(), 0) > 0;
}

} // namespace

result<state_lock, journal_errc> state_lock::take(const std::string& folder) {
  if (auto ready = prepare_state_folder(folder); !ready)
    return tl::unexpected{ready.error()};
  auto path = folder + "/lock";
  state_lock lock{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (lock.file_ < 0)
    return fail(journal_errc::not_writable,
                fmt::format("cannot open {}: {}; check its rights, or set "
                            "another [muster] state_dir",
                            path, std::strerror(errno)));
  auto locked = ::flock(lock.file_, LOCK_EX | LOCK_NB);
  if (locked != 0 && errno == EWOULDBLOCK)
    return fail(journal_errc::not_writable,
                fmt::format("state folder {} is in use by another muster "
                            "(pid {}): stop that one, or set another [muster] "
                            "state_dir",
                            folder, holder(lock.file_)));
  if (locked != 0)
    return fail(journal_errc::not_writable,
                fmt::format("cannot lock {}: {}; set a [muster] state_dir on a "
                            "file system with locks",
                            path, std::strerror(errno)));
  write_holder(lock.file_);
  return lock;
}

state_lock::state_lock(int file) : file_(file) {
}

state_lock::state_lock(state_lock&& other) noexcept
  : file_(std::exchange(other.file_, -1)) {
}

state_lock& state_lock::operator=(state_lock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

state_lock::~state_lock() {
  if (file_ >= 0)
    ::close(file_);
}

} // namespace muster
