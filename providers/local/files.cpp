#include "providers/local/files.hpp"

#include "providers/local/launch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::local {

namespace {

std::string complaint(const std::string& path, const char* what) {
  return fmt::format("{}: {}: {}", path, what, std::strerror(errno));
}

} // namespace

std::string read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::string tail_of(const std::string& path) {
  constexpr size_t size_max = 400;
  std::ifstream in{path, std::ios::binary | std::ios::ate};
  if (!in)
    return "";
  auto size = static_cast<size_t>(std::max<std::streamoff>(in.tellg(), 0));
  std::string text(std::min(size, size_max), '\0');
  in.seekg(-static_cast<std::streamoff>(text.size()), std::ios::end);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.pop_back();
  std::string out;
  for (unsigned char c : text) {
    if (c == '\n')
      out += "; ";
    else if (c >= ' ' && c != 0x7f)
      out += static_cast<char>(c);
  }
  return out;
}

std::string write_file(const std::string& path, const std::string& text,
                       mode_t mode) {
  auto draft = path + ".new";
  unlink(draft.c_str());
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  unique_fd fd{open(draft.c_str(), flags, mode)};
  if (fd.get() < 0)
    return complaint(path, "cannot be made");
  for (size_t done = 0; done < text.size();) {
    auto size = write(fd.get(), text.data() + done, text.size() - done);
    if (size < 0 && errno != EINTR)
      return complaint(path, "cannot be written");
    done += static_cast<size_t>(std::max<ssize_t>(size, 0));
  }
  // The process's umask has no say here.
  if (fchmod(fd.get(), mode) != 0 || rename(draft.c_str(), path.c_str()) != 0)
    return complaint(path, "cannot be written");
  return "";
}

std::string make_folder(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0 || chmod(path.c_str(), mode) != 0)
    return complaint(path, "cannot be made");
  return "";
}

pid_t start_removal(const std::string& path) {
  // A job may take its owner's rights off a folder, which then needs them back.
  std::string script = "rm -rf -- \"$0\" || { chmod -R u+rwX -- \"$0\"; "
                       "rm -rf -- \"$0\"; }";
  std::array<char*, 5> arguments{const_cast<char*>("sh"),
                                 const_cast<char*>("-c"), script.data(),
                                 const_cast<char*>(path.c_str()), nullptr};
  std::array<char*, 2> environment{
    const_cast<char*>("PATH=/usr/bin:/bin:/usr/sbin:/sbin"), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&files, 0, 1);
  posix_spawn_file_actions_adddup2(&files, 0, 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  if (posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments.data(),
                  environment.data())
      != 0)
    pid = -1;
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return pid;
}

} // namespace muster::local
