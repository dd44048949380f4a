#include "executors/helper/archive/tree.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

constexpr uint32_t restored_bits = 0777;
constexpr size_t depth_max = 512; ///< descriptors that a path may take

/// More folders than this get their modes at once and keep the time of the
/// extraction.
constexpr size_t folders_max = 1'000'000;

/// The name that a file has while it is written.
constexpr const char* unfinished = ".muster-unfinished";

tl::unexpected<failure<helper_errc>> trouble(const std::string& path,
                                             int error) {
  std::string text = path + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT)
    text += "; the file system is full: nothing of this file was left behind";
  return fail(helper_errc::failed, std::move(text));
}

tl::unexpected<failure<helper_errc>> refusal(const std::string& path,
                                             const std::string& why) {
  return fail(helper_errc::failed, path + ": not extracted: " + why);
}

std::string shown(std::string_view path) {
  std::string text;
  for (auto c : path.substr(0, 200))
    text += static_cast<unsigned char>(c) < 32 ? '?' : c;
  return text.empty() ? "(no name)" : text;
}

timespec time_of(std::optional<int64_t> seconds) {
  if (!seconds)
    return {0, UTIME_OMIT};
  return {static_cast<std::time_t>(*seconds), 0};
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::write(fd, bytes.data(), bytes.size());
    if (n > 0)
      bytes.remove_prefix(static_cast<size_t>(n));
    else if (n < 0 && errno != EINTR)
      return false;
  }
  return true;
}

} // namespace

result<std::vector<std::string>, helper_errc> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  if (path.empty() || path.find('\0') != std::string_view::npos
      || path.size() >= PATH_MAX)
    return refusal(shown(path), "this is no path");
  if (path.front() == '/')
    return refusal(shown(path), "the archive has an absolute path");
  for (size_t begin = 0; begin <= path.size();) {
    auto end = std::min(path.find('/', begin), path.size());
    auto part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part == "..")
      return refusal(shown(path), "the path leads out of the folder");
    if (part.size() > NAME_MAX)
      return refusal(shown(path), "a name is too long");
    if (!part.empty() && part != ".")
      parts.emplace_back(part);
  }
  if (parts.size() > depth_max)
    return refusal(shown(path), "there are too many folders on the way");
  return parts;
}

tree::tree(unique_fd root) : root_(std::move(root)) {
}

result<tree, helper_errc> tree::open(const std::string& folder) {
  unique_fd root{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!root)
    return trouble(folder, errno);
  return tree{std::move(root)};
}

/// Returns the descriptor of the folder that the first `count` parts name,
/// making what is missing. Those of the last path are kept: entries come folder
/// by folder.
result<int, helper_errc>
tree::open_folder(const std::vector<std::string>& parts, size_t count,
                  const std::string& path) {
  size_t same = 0;
  while (same < count && same < last_.size() && last_[same] == parts[same])
    ++same;
  last_.resize(same);
  parents_.resize(same);
  for (auto i = same; i < count; ++i) {
    auto above = i == 0 ? root_.get() : parents_.back().get();
    const auto* name = parts[i].c_str();
    if (::mkdirat(above, name, 0777) != 0 && errno != EEXIST)
      return trouble(shown(path), errno);
    unique_fd next{
      ::openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!next && (errno == ELOOP || errno == ENOTDIR)) {
      struct stat facts {};
      auto is_link = ::fstatat(above, name, &facts, AT_SYMLINK_NOFOLLOW) == 0
                     && S_ISLNK(facts.st_mode);
      return refusal(shown(path),
                     "`" + shown(parts[i]) + "` on its way is "
                       + (is_link ? "a symbolic link" : "no folder"));
    }
    if (!next)
      return trouble(shown(path), errno);
    parents_.push_back(std::move(next));
    last_.push_back(parts[i]);
  }
  return count == 0 ? root_.get() : parents_.back().get();
}

result<tree::place, helper_errc> tree::place_of(const std::string& path) {
  auto parts = parts_of(path);
  if (!parts)
    return tl::unexpected{parts.error()};
  if (parts->empty())
    return refusal(shown(path), "this is the folder itself");
  auto folder = open_folder(*parts, parts->size() - 1, path);
  if (!folder)
    return tl::unexpected{folder.error()};
  return place{*folder, parts->back()};
}

/// Makes room for what is no folder: `rename` and `symlink` do not replace one.
outcome tree::clear(const place& at, const std::string& path) {
  if (::unlinkat(at.folder, at.name.c_str(), 0) == 0 || errno == ENOENT)
    return {};
  if (::unlinkat(at.folder, at.name.c_str(), AT_REMOVEDIR) == 0)
    return {};
  return errno == ENOTEMPTY || errno == EEXIST
           ? refusal(shown(path), "there is a folder that is not empty")
           : trouble(shown(path), errno);
}

outcome tree::fill(const unique_fd& file, const archive_entry& what,
                   const byte_source& content) {
  std::vector<char> buffer(piece_bytes);
  for (;;) {
    auto n = content(buffer.data(), buffer.size());
    if (!n)
      return fail(helper_errc::failed,
                  shown(what.path) + ": " + n.error().text);
    if (*n == 0)
      break;
    if (!write_all(file.get(), {buffer.data(), *n}))
      return trouble(shown(what.path), errno);
  }
  // The owner first: a change of it takes bits away. Only root can, and only
  // where the owner is known here.
  if (what.user && what.group) [[maybe_unused]]
    auto ignored = ::fchown(file.get(), *what.user, *what.group);
  timespec times[] = {time_of(what.modified_s), time_of(what.modified_s)};
  if (::fchmod(file.get(), what.mode & restored_bits) != 0
      || ::futimens(file.get(), times) != 0)
    return trouble(shown(what.path), errno);
  return {};
}

outcome tree::put_file(const archive_entry& what, const byte_source& content) {
  auto at = place_of(what.path);
  if (!at)
    return tl::unexpected{at.error()};
  constexpr int how = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  unique_fd file{::openat(at->folder, unfinished, how, 0600)};
  if (!file && errno == EEXIST) { // of an extraction that was killed
    ::unlinkat(at->folder, unfinished, 0);
    file.reset(::openat(at->folder, unfinished, how, 0600));
  }
  if (!file)
    return trouble(shown(what.path), errno);
  auto done = fill(file, what, content);
  // Some file systems say at the end only that they are full.
  if (done && ::close(file.release()) != 0)
    done = trouble(shown(what.path), errno);
  const auto* name = at->name.c_str();
  if (done && ::renameat(at->folder, unfinished, at->folder, name) != 0) {
    done = clear(*at, what.path);
    if (done && ::renameat(at->folder, unfinished, at->folder, name) != 0)
      done = trouble(shown(what.path), errno);
  }
  if (!done)
    ::unlinkat(at->folder, unfinished, 0);
  return done;
}

outcome tree::put_folder(const archive_entry& what) {
  auto parts = parts_of(what.path);
  if (!parts)
    return tl::unexpected{parts.error()};
  if (parts->empty())
    return {};
  auto above = open_folder(*parts, parts->size() - 1, what.path);
  if (!above)
    return tl::unexpected{above.error()};
  // What is in the way of a folder and is none is replaced, as files are.
  struct stat facts {};
  const auto* name = parts->back().c_str();
  if (::fstatat(*above, name, &facts, AT_SYMLINK_NOFOLLOW) == 0
      && !S_ISDIR(facts.st_mode))
    ::unlinkat(*above, name, 0);
  auto folder = open_folder(*parts, parts->size(), what.path);
  if (!folder)
    return tl::unexpected{folder.error()};
  if (what.user && what.group) [[maybe_unused]]
    auto ignored = ::fchown(*folder, *what.user, *what.group);
  // Files are still to come: what forbids that waits.
  ::fchmod(*folder, (what.mode & restored_bits) | 0700);
  std::string clean;
  for (const auto& part : *parts)
    clean += (clean.empty() ? "" : "/") + part;
  if (folders_.size() < folders_max)
    folders_[clean] = {what.mode & restored_bits, what.modified_s};
  return {};
}

outcome tree::put_link(const archive_entry& what) {
  if (what.target.empty() || what.target.size() >= PATH_MAX
      || what.target.find('\0') != std::string::npos)
    return refusal(shown(what.path), "its target is no path");
  auto at = place_of(what.path);
  if (!at)
    return tl::unexpected{at.error()};
  if (auto done = clear(*at, what.path); !done)
    return done;
  if (::symlinkat(what.target.c_str(), at->folder, at->name.c_str()) != 0)
    return trouble(shown(what.path), errno);
  const auto* name = at->name.c_str();
  if (what.user && what.group) [[maybe_unused]]
    auto ignored = ::fchownat(at->folder, name, *what.user, *what.group,
                              AT_SYMLINK_NOFOLLOW);
  timespec times[] = {time_of(what.modified_s), time_of(what.modified_s)};
  ::utimensat(at->folder, name, times, AT_SYMLINK_NOFOLLOW);
  return {};
}

outcome tree::put_hard_link(const archive_entry& what) {
  auto from = place_of(what.target);
  if (!from)
    return tl::unexpected{from.error()};
  // Held open, since the next path may close its folder.
  unique_fd folder{::fcntl(from->folder, F_DUPFD_CLOEXEC, 0)};
  struct stat facts {};
  if (!folder
      || ::fstatat(folder.get(), from->name.c_str(), &facts,
                   AT_SYMLINK_NOFOLLOW)
           != 0)
    return trouble(shown(what.path), errno);
  if (!S_ISREG(facts.st_mode))
    return refusal(shown(what.path), "it is a hard link to what is no file");
  auto at = place_of(what.path);
  if (!at)
    return tl::unexpected{at.error()};
  ::unlinkat(at->folder, unfinished, 0);
  if (::linkat(folder.get(), from->name.c_str(), at->folder, unfinished, 0) != 0
      || ::renameat(at->folder, unfinished, at->folder, at->name.c_str())
           != 0) {
    auto error = errno;
    ::unlinkat(at->folder, unfinished, 0);
    return trouble(shown(what.path), error);
  }
  // Two names of one file already: `rename` then does nothing.
  ::unlinkat(at->folder, unfinished, 0);
  return {};
}

/// From the deepest up, so that a folder without write permission or with a
/// time of its own is done after what is in it.
outcome tree::finish() {
  for (auto i = folders_.rbegin(); i != folders_.rend(); ++i) {
    auto parts = parts_of(i->first);
    if (!parts)
      return tl::unexpected{parts.error()};
    auto folder = open_folder(*parts, parts->size(), i->first);
    if (!folder) // replaced by a later entry
      continue;
    timespec times[]
      = {time_of(i->second.modified_s), time_of(i->second.modified_s)};
    ::futimens(*folder, times);
    ::fchmod(*folder, i->second.mode);
  }
  folders_.clear();
  return {};
}

} // namespace muster::helper
