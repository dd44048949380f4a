#include "executors/helper/commands/files.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace muster::helper {

namespace {

using std::chrono::steady_clock;

tl::unexpected<failure<helper_errc>> trouble(const std::string& doing,
                                             const std::string& path) {
  return fail(helper_errc::failed,
              doing + " " + path + ": " + std::strerror(errno));
}

/// Makes a folder and those above it.
bool make_folders(const std::string& path) {
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end < path.size() && path[end] != '/')
      continue;
    if (::mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST)
      return false;
  }
  return true;
}

} // namespace

outcome file_sink::write(std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::write(file_, bytes.data(), bytes.size());
    if (n > 0)
      bytes.remove_prefix(static_cast<size_t>(n));
    else if (n < 0 && errno != EINTR)
      return trouble("write", name_);
  }
  return {};
}

result<new_file, helper_errc> new_file::make(const std::string& path) {
  auto slash = path.rfind('/');
  auto folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (!make_folders(folder))
    return trouble("make the folder", folder);
  auto temporary = folder + "/.unfinished-XXXXXX";
  // Names are given by way of /proc.
  if (::access("/proc/self/fd", X_OK) == 0) {
    unique_fd nameless{
      ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
    if (nameless)
      return new_file{std::move(nameless), path, ""};
  }
  unique_fd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd)
    return trouble("make a file in", folder);
  return new_file{std::move(fd), path, std::move(temporary)};
}

new_file::~new_file() {
  if (fd_ && !temporary_.empty())
    ::unlink(temporary_.c_str());
}

outcome new_file::keep(std::optional<std::chrono::seconds> modified) {
  if (modified) {
    timespec times[] = {{0, UTIME_NOW}, {modified->count(), 0}};
    ::futimens(fd_.get(), times);
  }
  // Some file systems say only now that they are full.
  if (::fsync(fd_.get()) != 0 && errno != EINVAL)
    return trouble("write", path_);
  if (temporary_.empty() && !give_name())
    return trouble("make a file beside", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return trouble("rename a file to", path_);
  temporary_.clear();
  return {};
}

/// Names the file, but not as it is to be called: a link replaces nothing.
bool new_file::give_name() {
  auto self = "/proc/self/fd/" + std::to_string(fd_.get());
  auto name = path_.substr(0, path_.rfind('/') + 1) + ".unfinished-"
              + std::to_string(::getpid());
  ::unlink(name.c_str());
  if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(),
               AT_SYMLINK_FOLLOW)
      != 0)
    return false;
  temporary_ = name;
  return true;
}

result<unique_fd, helper_errc> scratch_file(const std::string& folder) {
  const char* set = std::getenv("TMPDIR");
  auto at = !folder.empty()                  ? folder
            : set != nullptr && *set != '\0' ? std::string{set}
                                             : std::string{"/tmp"};
  auto path = at + "/muster-artifacts-XXXXXX";
  unique_fd fd{::mkostemp(path.data(), O_CLOEXEC)};
  if (!fd)
    return trouble("make a temporary file in", at);
  ::unlink(path.c_str());
  return fd;
}

byte_source content_of(int file) {
  auto at = std::make_shared<off_t>(0);
  return [file, at](char* to, size_t size) -> result<size_t, helper_errc> {
    for (;;) {
      auto n = ::pread(file, to, size, *at);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return trouble("read", "the archive");
      *at += n;
      return static_cast<size_t>(n);
    }
  };
}

std::optional<file_facts> facts_of(const std::string& path) {
  constexpr int64_t nanoseconds = 1'000'000'000;
  struct stat facts {};
  if (path.empty() || ::stat(path.c_str(), &facts) != 0
      || !S_ISREG(facts.st_mode))
    return std::nullopt;
  return file_facts{static_cast<uint64_t>(facts.st_size),
                    facts.st_mtim.tv_sec * nanoseconds + facts.st_mtim.tv_nsec};
}

transfer_meter::transfer_meter(std::string doing,
                               std::chrono::nanoseconds frequency)
  : doing_(std::move(doing)),
    frequency_(frequency),
    begun_(steady_clock::now()),
    next_(begun_ + frequency) {
}

void transfer_meter::add(uint64_t bytes) {
  constexpr double mebibyte = 1 << 20;
  bytes_ += bytes;
  auto now = steady_clock::now();
  if (frequency_.count() <= 0 || now < next_)
    return;
  next_ = now + frequency_;
  auto seconds = std::chrono::duration<double>{now - begun_}.count();
  auto done = static_cast<double>(bytes_) / mebibyte;
  ::dprintf(STDOUT_FILENO, "%s %.2f MiB (%.2f MiB/s)\n", doing_.c_str(), done,
            done / seconds);
}

} // namespace muster::helper
