#include "executors/helper/commands/selection.hpp"

#include "executors/helper/archive/glob.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/unique_fd.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

constexpr int64_t nanoseconds = 1'000'000'000;

std::string here() {
  char path[PATH_MAX];
  return ::getcwd(path, sizeof(path)) != nullptr ? path : ".";
}

bool is_name(char c, bool first) {
  return c == '_'
         || (first ? std::isalpha(static_cast<unsigned char>(c)) != 0
                   : std::isalnum(static_cast<unsigned char>(c)) != 0);
}

std::string_view leading_name(std::string_view text) {
  size_t size = 0;
  while (size < text.size() && is_name(text[size], size == 0))
    ++size;
  return text.substr(0, size);
}

std::string value_of(std::string_view name) {
  const char* value = std::getenv(std::string{name}.c_str());
  return value != nullptr ? value : "";
}

/// Expands what stands behind a `$` and returns how long that is; 0: nothing to
/// expand.
size_t expand_one(std::string_view text, std::string& to) {
  if (text.empty() || text[0] != '{') {
    auto name = leading_name(text);
    to += value_of(name);
    return name.size();
  }
  auto close = text.find('}');
  if (close == std::string_view::npos)
    return 0;
  auto inner = text.substr(1, close - 1);
  auto name = leading_name(inner);
  auto behind = inner.substr(name.size());
  if (name.empty())
    return 0;
  auto value = value_of(name);
  if (behind.starts_with(":-")) {
    to += value.empty() ? expanded(behind.substr(2)) : value;
  } else if (behind.starts_with("-")) {
    auto is_set = std::getenv(std::string{name}.c_str()) != nullptr;
    to += is_set ? value : expanded(behind.substr(1));
  } else if (behind.empty()) {
    to += value;
  } else {
    return 0;
  }
  return close + 1;
}

/// Returns what stands behind the folder where we are in an absolute path, by
/// the longest of its prefixes that leads there.
std::optional<std::string_view> behind_project(std::string_view path) {
  struct stat own {};
  if (::stat(".", &own) != 0)
    return std::nullopt;
  std::optional<std::string_view> behind;
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end < path.size() && path[end] != '/')
      continue;
    struct stat facts {};
    std::string prefix{path.substr(0, end)};
    if (::stat(prefix.c_str(), &facts) != 0)
      break;
    if (facts.st_dev == own.st_dev && facts.st_ino == own.st_ino)
      behind = path.substr(std::min(end + 1, path.size()));
  }
  return behind;
}

/// The output of `git ls-files -o -z`.
result<std::string, helper_errc> untracked_files() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(helper_errc::failed, std::strerror(errno));
  unique_fd read_end{ends[0]};
  unique_fd write_end{ends[1]};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  posix_spawnattr_init(&attributes);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  char words[][9] = {"git", "ls-files", "-o", "-z"};
  char* arguments[] = {words[0], words[1], words[2], words[3], nullptr};
  pid_t git = -1;
  auto error
    = ::posix_spawnp(&git, "git", &actions, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0)
    return fail(helper_errc::failed,
                std::string{"git cannot be started: "} + std::strerror(error));
  write_end.reset();
  std::string text;
  char piece[65536];
  for (;;) {
    auto n = ::read(read_end.get(), piece, sizeof(piece));
    if (n > 0)
      text.append(piece, static_cast<size_t>(n));
    else if (n == 0 || errno != EINTR)
      break;
  }
  int status = 0;
  ::waitpid(git, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(helper_errc::failed,
                "exit status "
                  + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status)
                                                     : 128 + WTERMSIG(status)));
  return text;
}

class selector {
public:
  explicit selector(const selection& what) : what_(what) {
    for (const auto& text : what.exclude) {
      auto path = path_in_project(expanded(text));
      if (path)
        rules_.push_back({text, glob{*path}, 0});
    }
  }

  std::set<std::string> run() {
    for (const auto& path : what_.paths)
      take_path(expanded(path));
    if (what_.untracked)
      take_untracked();
    for (const auto& rule : rules_)
      if (rule.count > 0)
        log::info(rule.text + ": excluded " + std::to_string(rule.count)
                  + " files");
    return std::move(found_);
  }

private:
  struct rule {
    std::string text;
    glob pattern;
    uint64_t count = 0;
  };

  void take_path(const std::string& text) {
    auto pattern = path_in_project(text);
    if (!pattern) {
      log::warning("processPath: artifact path is not a subpath of project "
                   "directory: "
                   + text);
      return;
    }
    auto shown = pattern->empty() ? "." : *pattern;
    auto before = count_;
    if (pattern->empty())
      walk("");
    else
      glob{*pattern}.find([this](const std::string& path) {
        if (seen_.insert(path).second)
          walk(path);
      });
    seen_.clear();
    if (count_ == before)
      log::warning(shown
                   + ": no matching files. Ensure that the artifact path is "
                     "relative to the working directory ("
                   + here() + ")");
    else
      log::info(shown + ": found " + std::to_string(count_ - before)
                + " matching artifact files and directories");
  }

  void take_untracked() {
    auto text = untracked_files();
    if (!text) {
      log::warning("untracked: " + text.error().text);
      return;
    }
    auto before = count_;
    for (size_t begin = 0; begin < text->size();) {
      auto end = std::min(text->find('\0', begin), text->size());
      take(text->substr(begin, end - begin));
      begin = end + 1;
    }
    if (count_ == before)
      log::warning("untracked: no files");
    else
      log::info("untracked: found " + std::to_string(count_ - before)
                + " files");
  }

  bool take(const std::string& path) {
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) != 0)
      return false;
    for (auto& rule : rules_)
      if (rule.pattern.matches(path)) {
        ++rule.count;
        return S_ISDIR(facts.st_mode);
      }
    ++count_;
    found_.insert(path);
    if (what_.verbose)
      log::info(path);
    return S_ISDIR(facts.st_mode);
  }

  /// Takes a file or a folder with all that is in it.
  void walk(const std::string& top) {
    std::vector<std::string> open{top};
    while (!open.empty()) {
      auto path = std::move(open.back());
      open.pop_back();
      if (!path.empty() && !take(path))
        continue;
      std::unique_ptr<DIR, int (*)(DIR*)> folder{
        ::opendir(path.empty() ? "." : path.c_str()), ::closedir};
      if (!folder) {
        log::warning(path
                     + ": the folder cannot be read: " + std::strerror(errno));
        continue;
      }
      while (const auto* entry = ::readdir(folder.get())) {
        std::string_view name{entry->d_name};
        if (name != "." && name != "..")
          open.push_back((path.empty() ? "" : path + "/") + entry->d_name);
      }
    }
  }

  const selection& what_;
  std::vector<rule> rules_;
  std::set<std::string> found_;
  std::set<std::string> seen_; ///< by one pattern
  uint64_t count_ = 0;
};

archive_entry entry_of(const std::string& path, const struct stat& facts) {
  archive_entry what;
  what.path = path;
  what.kind = S_ISREG(facts.st_mode)   ? entry_kind::file
              : S_ISDIR(facts.st_mode) ? entry_kind::folder
              : S_ISLNK(facts.st_mode) ? entry_kind::link
                                       : entry_kind::other;
  what.mode = facts.st_mode & 07777;
  what.modified_s = facts.st_mtim.tv_sec;
  what.user = facts.st_uid;
  what.group = facts.st_gid;
  what.size_bytes
    = what.kind == entry_kind::file ? static_cast<uint64_t>(facts.st_size) : 0;
  return what;
}

tl::unexpected<failure<helper_errc>> trouble(const std::string& path,
                                             const char* doing) {
  return fail(helper_errc::failed,
              std::string{doing} + " " + path + ": " + std::strerror(errno));
}

/// Reads a file up to the size that it had when it was opened.
struct file_content {
  int file;
  uint64_t left;
  const std::string& path;

  result<size_t, helper_errc> operator()(char* to, size_t size) {
    for (;;) {
      auto n = ::read(file, to, std::min<uint64_t>(size, left));
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return trouble(path, "read");
      left -= static_cast<uint64_t>(n);
      return static_cast<size_t>(n);
    }
  }
};

outcome add_file(const std::string& path, archive_writer& to) {
  // Not to wait for the other end of a pipe that took the file's place.
  unique_fd file{
    ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  if (!file && errno == ENOENT) {
    log::warning(path + ": it is gone and was left out");
    return {};
  }
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0)
    return trouble(path, "open");
  if (!S_ISREG(facts.st_mode))
    return {};
  auto what = entry_of(path, facts);
  return to.add(what, file_content{file.get(), what.size_bytes, path});
}

outcome add_link(const archive_entry& what, archive_writer& to) {
  char target[PATH_MAX];
  auto n = ::readlink(what.path.c_str(), target, sizeof(target));
  if (n < 0)
    return trouble(what.path, "readlink");
  auto link = what;
  link.target.assign(target, static_cast<size_t>(n));
  return to.add(link, {});
}

} // namespace

std::string expanded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '$') {
      result += text[++i];
    } else if (text[i] == '$') {
      auto used = expand_one(text.substr(i + 1), result);
      if (used == 0)
        result += '$';
      i += used;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::optional<std::string> path_in_project(std::string_view path) {
  if (path.starts_with('/')) {
    auto behind = behind_project(path);
    if (!behind)
      return std::nullopt;
    path = *behind;
  }
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= path.size();) {
    auto end = std::min(path.find('/', begin), path.size());
    auto part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part == ".." && parts.empty())
      return std::nullopt;
    if (part == "..")
      parts.pop_back();
    else if (!part.empty() && part != ".")
      parts.push_back(part);
  }
  std::string result;
  for (auto part : parts)
    result.append(result.empty() ? "" : "/").append(part);
  return result;
}

std::set<std::string> select(const selection& what) {
  return selector{what}.run();
}

int64_t newest_of(const std::set<std::string>& paths) {
  int64_t newest = 0;
  for (const auto& path : paths) {
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) == 0)
      newest = std::max<int64_t>(newest, facts.st_mtim.tv_sec * nanoseconds
                                           + facts.st_mtim.tv_nsec);
  }
  return newest;
}

outcome add_all(const std::set<std::string>& paths, archive_writer& to) {
  for (const auto& path : paths) {
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) != 0) {
      log::warning(path + ": it is gone and was left out");
      continue;
    }
    auto what = entry_of(path, facts);
    outcome done;
    if (what.kind == entry_kind::file)
      done = add_file(path, to);
    else if (what.kind == entry_kind::link)
      done = add_link(what, to);
    else if (what.kind == entry_kind::folder)
      done = to.add(what, {});
    if (!done)
      return done;
  }
  return {};
}

outcome add_target(const std::string& path, archive_writer& to) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0)
    return trouble(path, "open");
  if (!S_ISREG(facts.st_mode))
    return fail(helper_errc::failed, path + " is no regular file");
  auto what = entry_of(path, facts);
  return to.add(what, file_content{file.get(), what.size_bytes, path});
}

} // namespace muster::helper
