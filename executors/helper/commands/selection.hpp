#pragma once

#include "executors/helper/archive/writer.hpp"

#include <set>
#include <string>
#include <vector>

namespace muster::helper {

/// Which files of the folder where we are to take.
struct selection {
  std::vector<std::string> paths;
  std::vector<std::string> exclude;
  bool untracked = false; ///< those that git does not know, ignored ones too
  bool verbose = false;   ///< name each file
};

/// Returns the text with `$NAME`, `${NAME}`, `${NAME-text}` and `${NAME:-text}`
/// replaced from the environment, as a shell does; `\$` is a dollar sign. What
/// is malformed stays as it is.
std::string expanded(std::string_view text);

/// Returns a path below the folder where we are, without `.` and `..`; nothing
/// for one that leads out of it. An absolute path may lead there by any name
/// that the folder has. Empty: the folder itself.
std::optional<std::string> path_in_project(std::string_view path);

/// Finds the files and folders, as paths below the folder where we are, and
/// tells what was found and what was not. Links are not followed.
std::set<std::string> select(const selection& what);

/// Returns the time of the last change among files [ns since 1970]; 0: none.
int64_t newest_of(const std::set<std::string>& paths);

/// Adds files and folders to an archive. Sockets, devices and pipes are left
/// out, and what is gone by now is told. Errors: `failed`: a file that cannot
/// be read, or the writer's.
outcome add_all(const std::set<std::string>& paths, archive_writer& to);

/// Adds the file that a path leads to, links followed. Errors: `failed`, also
/// if that is no regular file.
outcome add_target(const std::string& path, archive_writer& to);

} // namespace muster::helper
