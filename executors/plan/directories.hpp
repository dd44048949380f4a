#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// Where a job works at its instance. Paths are absolute; where builds_dir is
/// relative to the login directory they begin with `posix::login_mark`.
struct job_directories {
  std::string builds;  ///< the root of all jobs' folders
  std::string project; ///< the job's work tree
  std::string temp;    ///< beside it: file variables, git configuration
  std::string cache;   ///< the project's local caches, for all jobs there
};

/// What decides the directories.
struct directory_facts {
  std::string builds_dir; ///< as configured
  std::string cache_dir;  ///< as configured
  std::string repo_url;   ///< its path names the project's folder
  int64_t project_id = 0; ///< names it where the URL cannot
  std::string short_token;
  int32_t concurrent_project_id = 0;
  bool shared = true; ///< other jobs may work beside it: a folder of its own
  std::string clone_path; ///< GIT_CLONE_PATH, expanded; empty: the usual layout
  bool clone_path_allowed = false; ///< custom_build_dir
  bool empty_strategy = false;     ///< such jobs have a folder of their own
};

/// Returns the root of all jobs' folders for a configured builds_dir.
std::string builds_root(std::string_view builds_dir);

/// Lays out the directories of a job of the `instance` executor.
///
/// Errors: `configuration_error` for an empty builds_dir or cache_dir and for a
/// GIT_CLONE_PATH that is not allowed or not below the root.
/// Source: reference/job-stages, section 5.
result<job_directories, job_errc> lay_out(const directory_facts& facts);

/// Returns `path` relative to the login directory if it lies there, else as it
/// is: for readers that start in that directory.
std::string from_login(std::string_view path);

} // namespace muster
