#include "config/rewrite.hpp"

#include "config/source.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto lock_patience = 10s;
constexpr auto lock_look = 20ms;
constexpr int tries_max = 10; ///< that somebody else may spoil
constexpr int links_max = 40;

class descriptor {
public:
  explicit descriptor(int number) : number_(number) {
  }

  descriptor(descriptor&& other) noexcept
    : number_(std::exchange(other.number_, -1)) {
  }

  descriptor& operator=(descriptor&&) = delete;

  ~descriptor() {
    if (number_ >= 0)
      ::close(number_);
  }

  int number() const {
    return number_;
  }

private:
  int number_;
};

tl::unexpected<failure<config_errc>>
unwritable(const std::string& path, const std::string& what, int code) {
  std::string hint;
  if (code == ENOSPC || code == EDQUOT || code == EFBIG)
    hint = ": make room and try again";
  else if (code == EACCES || code == EPERM)
    hint = ": run this as a user who may write there";
  else if (code == EROFS)
    hint = ": it must be changed where it comes from";
  return fail(config_errc::not_writable,
              fmt::format("{} is unchanged: {}: {}{}", path, what,
                          std::strerror(code), hint));
}

/// The file behind symbolic links, also when it is not there.
fs::path behind_links(fs::path path) {
  std::error_code error;
  for (auto i = 0; i < links_max && fs::is_symlink(path, error); ++i) {
    auto to = fs::read_symlink(path, error);
    if (error)
      break;
    path = to.is_absolute() ? to : path.parent_path() / to;
  }
  return path;
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path{"."};
}

result<void, config_errc> make_folder(const fs::path& folder,
                                      const std::string& path) {
  if (folder.empty() || ::access(folder.c_str(), F_OK) == 0)
    return {};
  if (auto made = make_folder(folder.parent_path(), path); !made)
    return made;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return unwritable(path, "cannot make the folder " + folder.string(), errno);
  return {};
}

/// Keeps other musters out while this one changes the file.
bool lock(int file) {
  auto until = std::chrono::steady_clock::now() + lock_patience;
  while (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return true; // a file system without locks: the rest has to do
    if (std::chrono::steady_clock::now() >= until)
      return false;
    std::this_thread::sleep_for(lock_look);
  }
  return true;
}

bool is_same_file(int file, const fs::path& path) {
  struct stat a {};
  struct stat b {};
  return ::fstat(file, &a) == 0 && ::stat(path.c_str(), &b) == 0
         && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int write_all(int file, std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    auto size = ::pwrite(file, text.data() + at, text.size() - at,
                         static_cast<off_t>(at));
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return size == 0 ? ENOSPC : errno;
    at += static_cast<size_t>(size);
  }
  return ::fsync(file) == 0 ? 0 : errno;
}

/// Access lists and labels; a file system without them has none to keep.
void copy_attributes(int from, int to) {
  std::array<char, 4096> names{};
  auto size = ::flistxattr(from, names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    std::string name{names.data() + at};
    std::array<char, 4096> value{};
    auto length = ::fgetxattr(from, name.c_str(), value.data(), value.size());
    if (length >= 0)
      (void)!::fsetxattr(to, name.c_str(), value.data(),
                         static_cast<size_t>(length), 0);
    at += static_cast<ssize_t>(name.size()) + 1;
  }
}

/// The new file, until it has taken its place.
struct fresh_file {
  fs::path path;

  explicit fresh_file(const fs::path& beside)
    : path(folder_of(beside)
           / fmt::format(".{}.XXXXXX", beside.filename().string())) {
  }

  fresh_file(const fresh_file&) = delete;
  fresh_file& operator=(const fresh_file&) = delete;

  ~fresh_file() {
    if (!path.empty())
      ::unlink(path.c_str());
  }
};

/// One try to put `text` where `old_text` is, or, with -1 for `old_file`, where
/// there is nothing. False: somebody else was faster.
struct replacement {
  const std::string& path; ///< for messages
  const fs::path& target;
  int old_file;
  const std::string& old_text;
  const std::string& text;
  const rewrite_options& options;

  result<bool, config_errc> run() const {
    fresh_file fresh{target};
    auto name = fresh.path.string();
    descriptor file{::mkostemp(name.data(), O_CLOEXEC)}; // mode 0600
    if (file.number() < 0) {
      auto why = errno;
      fresh.path.clear();
      return unwritable(path,
                        "no new file can be made in its folder "
                          + folder_of(target).string(),
                        why);
    }
    fresh.path = name;
    if (auto kept = keep_facts(file.number()); !kept)
      return tl::unexpected{kept.error()};
    if (auto why = write_all(file.number(), text))
      return unwritable(path, "the new text cannot be written", why);
    if (options.meanwhile)
      options.meanwhile();
    if (!is_untouched())
      return false;
    return options.is_trial ? true : take_place(fresh);
  }

  result<void, config_errc> keep_facts(int file) const {
    struct stat facts {};
    if (old_file < 0)
      return {};
    if (::fstat(old_file, &facts) != 0)
      return unwritable(path, "its owner cannot be seen", errno);
    struct stat now {};
    if (::fstat(file, &now) == 0
        && (now.st_uid != facts.st_uid || now.st_gid != facts.st_gid)
        && ::fchown(file, facts.st_uid, facts.st_gid) != 0)
      return unwritable(path, "its owner and group cannot be kept", errno);
    copy_attributes(old_file, file);
    if (::fchmod(file, facts.st_mode & 07777) != 0)
      return unwritable(path, "its mode cannot be kept", errno);
    return {};
  }

  bool is_untouched() const {
    if (old_file < 0)
      return is_missing(target.string());
    auto now = read_source(target.string());
    return is_same_file(old_file, target) && now && *now == old_text;
  }

  result<bool, config_errc> take_place(fresh_file& fresh) const {
    if (rename_to(fresh.path)) {
      fresh.path.clear();
      descriptor folder{
        ::open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
      (void)::fsync(folder.number()); // a crash: the old file or the new one
      return true;
    }
    if (errno == EEXIST)
      return false;
    if (errno == EBUSY && old_file >= 0)
      return write_in_place();
    return unwritable(path, "the new file cannot take its place", errno);
  }

  /// Where there was no file, none must have been made meanwhile.
  bool rename_to(const fs::path& from) const {
    if (old_file < 0) {
      if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, target.c_str(),
                      RENAME_NOREPLACE)
          == 0)
        return true;
      if (errno != EINVAL) // a file system that cannot tell
        return false;
    }
    return ::rename(from.c_str(), target.c_str()) == 0;
  }

  result<bool, config_errc> write_in_place() const {
    descriptor file{::open(target.c_str(), O_WRONLY | O_CLOEXEC)};
    if (file.number() < 0)
      return unwritable(path, "it is mounted by itself", errno);
    auto size = static_cast<off_t>(text.size());
    if (auto why = ::posix_fallocate(file.number(), 0, size)) {
      (void)!::ftruncate(file.number(), static_cast<off_t>(old_text.size()));
      return unwritable(path, "the new text cannot be written", why);
    }
    auto why = write_all(file.number(), text);
    if (why == 0 && ::ftruncate(file.number(), size) == 0)
      return true;
    why = why == 0 ? errno : why;
    (void)write_all(file.number(), old_text);
    (void)!::ftruncate(file.number(), static_cast<off_t>(old_text.size()));
    return unwritable(path, "the new text cannot be written", why);
  }
};

/// Returns false if it has to be tried again.
result<bool, config_errc>
try_once(const std::string& path, const fs::path& target,
         const std::function<result<void, config_errc>(config_text&)>& change,
         const rewrite_options& options) {
  auto is_new = is_missing(target.string());
  descriptor old{
    is_new ? -1 : ::open(target.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (old.number() >= 0) {
    if (!lock(old.number()))
      return fail(config_errc::not_writable,
                  path + " is unchanged: another process is changing it");
    if (!is_same_file(old.number(), target))
      return false;
  }
  std::string text;
  if (!is_new || !options.may_create) {
    auto read = read_source(target.string());
    if (!read)
      return tl::unexpected{read.error()};
    text = std::move(*read);
  }
  auto parsed = config_text::parse(text, path);
  if (!parsed)
    return tl::unexpected{parsed.error()};
  if (auto changed = change(*parsed); !changed)
    return tl::unexpected{changed.error()};
  if (parsed->text() == text && !options.is_trial)
    return true;
  if (is_new)
    if (auto made = make_folder(folder_of(target), path); !made)
      return tl::unexpected{made.error()};
  return replacement{path, target, old.number(), text, parsed->text(), options}
    .run();
}

} // namespace

result<void, config_errc> rewrite_config(
  const std::string& path,
  const std::function<result<void, config_errc>(config_text&)>& change,
  const rewrite_options& options) {
  for (auto i = 0; i < tries_max; ++i) {
    auto done = try_once(path, behind_links(path), change, options);
    if (!done)
      return tl::unexpected{done.error()};
    if (*done)
      return {};
  }
  return fail(config_errc::not_writable,
              path + " is unchanged: something else changes it all the time");
}

} // namespace muster
