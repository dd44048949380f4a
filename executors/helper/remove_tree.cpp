#include "executors/helper/remove_tree.hpp"

#include "executors/helper/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace muster::helper {

namespace {

constexpr int depth_max
  = 256; ///< a descriptor is open for each folder on the way

/// Returns the parts of a path without empty ones and `.`.
std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin < path.size();) {
    auto end = std::min(path.find('/', begin), path.size());
    auto part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".")
      parts.push_back(part);
    begin = end + 1;
  }
  return parts;
}

/// Whether removing this would take the home along, or goes who knows where.
bool is_dangerous(const std::string& home, const std::string& path) {
  auto target = parts_of(path);
  for (const auto& part : target)
    if (part == "..")
      return true;
  if (path.front() != '/')
    return target.empty();
  auto kept = parts_of(home);
  if (target.size() > kept.size())
    return false;
  for (size_t i = 0; i < target.size(); ++i)
    if (target[i] != kept[i])
      return false;
  return true;
}

unique_fd open_folder(int parent, const char* name) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  unique_fd fd{::openat(parent, name, flags)};
  if (!fd && errno == EACCES && ::fchmodat(parent, name, S_IRWXU, 0) == 0)
    fd.reset(::openat(parent, name, flags));
  return fd;
}

bool remove_at(int parent, const char* name, int depth);

bool remove_contents(unique_fd folder, int depth) {
  struct stat facts {};
  if (::fstat(folder.get(), &facts) == 0
      && (facts.st_mode & S_IRWXU) != S_IRWXU)
    ::fchmod(folder.get(), S_IRWXU);
  std::unique_ptr<DIR, int (*)(DIR*)> entries{::fdopendir(folder.get()),
                                              ::closedir};
  if (!entries)
    return false;
  int fd = folder.release();
  bool all = true;
  while (const auto* entry = ::readdir(entries.get())) {
    std::string_view name{entry->d_name};
    if (name != "." && name != "..")
      all = remove_at(fd, entry->d_name, depth + 1) && all;
  }
  return all;
}

/// Returns whether it is gone; `errno` says why not.
bool remove_at(int parent, const char* name, int depth) {
  if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT || errno == ENOTDIR)
    return true;
  if (errno != EISDIR && errno != EPERM)
    return false;
  if (depth > depth_max) {
    errno = ELOOP;
    return false;
  }
  auto folder = open_folder(parent, name);
  if (!folder)
    return false;
  bool emptied = remove_contents(std::move(folder), depth);
  return emptied
         && (::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

} // namespace

result<void, helper_errc> remove_tree(const std::string& home,
                                      const std::string& path) {
  if (path.empty())
    return {};
  if (is_dangerous(home, path))
    return fail(helper_errc::failed, "the temporary folder " + path
                                       + " is not removed: it would take the "
                                         "login directory along or has `..`");
  unique_fd start{::open(home.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  auto name = path;
  while (name.size() > 1 && name.back() == '/')
    name.pop_back();
  if (!start || !remove_at(start.get(), name.c_str(), 0))
    return fail(helper_errc::failed,
                "the temporary folder " + path
                  + " cannot be removed: " + std::strerror(errno));
  return {};
}

} // namespace muster::helper
