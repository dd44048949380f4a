#pragma once

#include "executors/plan/directories.hpp"
#include "executors/plan/settings.hpp"
#include "executors/shells/posix.hpp"
#include "messages/secret.hpp"

#include <string>
#include <utility>
#include <vector>

namespace muster {

/// All that getting sources depends on (reference/job-stages, section 8).
struct git_sources {
  git_settings settings;
  job_directories dirs;
  std::string remote_url; ///< without credentials
  std::vector<std::string> refspecs;
  std::string ref;
  std::string sha;
  std::string object_format;  ///< empty: git's default
  std::string user_agent;     ///< `muster 1.0.0 linux/amd64`
  std::string correlation_id; ///< empty: not sent
  bool bundle_uris = true;
  bool safe_directory = false;             ///< trust the folder whoever owns it
  secret password;                         ///< of the user `gitlab-ci-token`
  std::vector<std::string> password_hosts; ///< `scheme://host` each
  std::string server_url; ///< of this GitLab, without a slash at the end
  std::vector<std::string> ssh_prefixes; ///< to be replaced by `server_url`
  /// Names of git's `http.<server>` settings, for all of `password_hosts`, and
  /// of the variables that hold the path of the file for each.
  std::vector<std::pair<std::string, std::string>> tls_files;
};

/// Writes getting the sources, from the first notice to the submodules; the
/// hooks around it are the caller's. Ends in the project's folder.
void write_get_sources(posix::script& out, const git_sources& from);

/// Writes what is done before a further attempt: the work tree is emptied.
void write_clear_worktree(posix::script& out, const job_directories& dirs);

/// Writes the removal of locks that a killed git left, and of configuration and
/// hooks that a job may have planted for the next one.
void write_git_cleanup(posix::script& out, const job_directories& dirs,
                       const git_settings& settings);

/// Writes what FF_ENABLE_JOB_CLEANUP asks for at the end of a job.
void write_project_cleanup(posix::script& out, const job_directories& dirs,
                           const git_settings& settings);

/// Writes setting up the submodules, or the notice that there are none wanted.
void write_submodules(posix::script& out, const git_settings& settings);

/// Returns git's configuration for this job alone: who it is, and the password.
/// git reads it through an include and asks a helper in it for the password,
/// which so is in no URL: URLs show in `ps`, in `.git/config` and in messages.
std::string ext_config(const git_sources& from);

/// Returns the configuration that a new repository begins with.
std::string template_config();

/// Paths below the temporary directory.
std::string ext_config_path(const job_directories& dirs);
std::string template_path(const job_directories& dirs);

} // namespace muster
