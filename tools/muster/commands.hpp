#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// Options of every command.
struct global_options {
  std::string log_level;  ///< known; empty: as the configuration says
  std::string log_format; ///< likewise
};

/// Sets up the log of a command that reads no settings for it: level `info` and
/// format `runner` where nothing is said.
void configure_log(const global_options& global);

struct run_options {
  std::string config_path;
  bool strict = false;        ///< unknown keys are fatal
  bool syslog = false;        ///< log there, too
  std::string listen_address; ///< of the metrics server; empty: as configured
};

/// Serves GitLab until told to stop. Returns the exit status.
int run_manager(const global_options& global, const run_options& options);

struct check_options {
  std::string config_path;
  bool strict = false; ///< warnings fail, too
};

/// Says what is wrong with a configuration. Returns the exit status.
int check_config(const check_options& options);

struct try_options {
  std::string file;              ///< empty: .gitlab-ci.yml of the working tree
  std::vector<std::string> jobs; ///< empty: the whole pipeline
  std::vector<std::pair<std::string, std::string>> variables;
  std::string executor = "instance";
  std::string image;     ///< of jobs that name none, in containers
  std::string state_dir; ///< its folder and caches are in there
  int concurrent = 4;    ///< jobs at the same time
  bool list = false;     ///< show the jobs, run none
  bool alone = false;    ///< named jobs without those that they need
};

/// Runs a pipeline file on this machine, from the commit at hand. Returns the
/// exit status: 0 if the pipeline passed, 1 if not or if something failed, 2
/// for a mistake in the call or the file, 130 after Ctrl-C.
int try_pipeline(const try_options& options);

struct known_hosts_options {
  std::string config_path;
  std::string group;                  ///< empty: of all groups
  std::vector<std::string> instances; ///< to be forgotten; empty: list them
};

/// Shows or forgets the host keys that are pinned in the journal, also while a
/// manager uses it: it asks before each dial. Returns the exit status.
int known_hosts(const known_hosts_options& options);

/// Whether a command of GitLab Runner's has this name, and is not there yet.
bool is_planned(std::string_view command);

} // namespace muster
