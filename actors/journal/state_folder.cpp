#include "actors/journal/state_folder.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace muster {

namespace {

tl::unexpected<failure<journal_errc>> refuse(const std::string& what,
                                             const std::string& path,
                                             const std::string& why) {
  return fail(journal_errc::not_writable,
              fmt::format("cannot {} {}: {}; check its rights, or set another "
                          "[muster] state_dir",
                          what, path, why));
}

/// Whether the folder is for us alone: nothing in it, or our lock. Any other is
/// not closed to others: it may be /var/lib by mistake.
bool is_ours(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ec;
  return fs::is_empty(path, ec) || fs::exists(path + "/lock", ec);
}

} // namespace

result<void, journal_errc> prepare_state_folder(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ec;
  auto folder = fs::path{path}.lexically_normal();
  if (folder.has_parent_path())
    fs::create_directories(folder.parent_path(), ec);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return refuse("make the state folder", path, std::strerror(errno));
  struct stat found = {};
  if (::stat(path.c_str(), &found) != 0)
    return refuse("look at the state folder", path, std::strerror(errno));
  if (!S_ISDIR(found.st_mode))
    return refuse("use the state folder", path, "it is not a folder");
  if ((found.st_mode & 0077) == 0)
    return {};
  if (!is_ours(path))
    return refuse("use the state folder", path,
                  "others may enter it and it holds other files; it must be a "
                  "folder of its own, of mode 0700");
  if (::chmod(path.c_str(), 0700) != 0)
    return refuse("close the state folder to others,", path,
                  std::strerror(errno));
  return {};
}

result<void, journal_errc> prepare_private_file(const std::string& path) {
  auto file = ::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0)
    return refuse("open", path, std::strerror(errno));
  struct stat found = {};
  auto failed = ::fstat(file, &found) != 0
                || ((found.st_mode & 0077) != 0 && ::fchmod(file, 0600) != 0);
  auto why = errno;
  ::close(file);
  if (failed)
    return refuse("close to others", path, std::strerror(why));
  return {};
}

} // namespace muster
