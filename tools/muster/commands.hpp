#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Options of every command.
struct global_options {
  std::string log_level;  ///< empty: as the configuration says
  std::string log_format; ///< empty: as the configuration says
};

struct run_options {
  std::string config_path;
  bool strict = false; ///< unknown keys are fatal
};

/// Serves GitLab until told to stop. Returns the exit status.
int run_manager(const global_options& global, const run_options& options);

struct check_options {
  std::string config_path;
  bool strict = false; ///< warnings fail, too
};

/// Says what is wrong with a configuration. Returns the exit status.
int check_config(const check_options& options);

/// Whether a command of GitLab Runner's has this name, and is not there yet.
bool is_planned(std::string_view command);

} // namespace muster
