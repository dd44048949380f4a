#pragma once

#include "config/config.hpp"
#include "config/diagnostic.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What must not be found for a configuration to pass.
enum class check_mode : uint8_t {
  run,    ///< fatal: what can be served is served
  check,  ///< errors, too
  strict, ///< warnings, too: `check --strict`, `lint`
};

/// Something about how instances are reached that only who reaches them knows.
struct connector_fault {
  std::string key; ///< of connector_config, or of the group
  std::string text;
  /// The runner may be served: it is tried again until it works.
  bool may_heal = false;
};

struct load_options {
  check_mode mode = check_mode::run;
  /// `run` of GitLab Runner goes on without a file, serving nothing.
  bool missing_is_empty = false;
  /// Whether it may be a pipe: nothing can be kept beside it.
  bool pipe_allowed = false;
  /// Variables for `url` and `token`; empty: the process's environment.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  /// Whether an IANA zone is known; empty: whether /usr/share/zoneinfo has it.
  std::function<bool(const std::string& name)> timezone_exists;
  /// Why a plugin cannot be used on this machine, or nothing; empty: it is not
  /// looked at. While muster runs that may change, so that it is an error only
  /// for `check` and `strict`.
  std::function<std::string(const std::string& plugin)> plugin_obstacle;
  /// What is wrong with the `plugin_config` (JSON) of a plugin, or nothing;
  /// empty: it is not looked at.
  std::function<std::string(const std::string& plugin,
                            const std::string& plugin_config)>
    plugin_fault;
  /// How many instances a `plugin_config` (JSON) allows, 0: any number; empty:
  /// it is not looked at.
  std::function<int64_t(const std::string& plugin,
                        const std::string& plugin_config)>
    plugin_instances_max;
  /// The group that a `plugin_config` (JSON) names; empty, or an empty name:
  /// equal tables name the same group.
  std::function<std::string(const std::string& plugin,
                            const std::string& plugin_config)>
    plugin_group;
  /// What is wrong with the credentials of a group; empty: they are not looked
  /// at.
  std::function<std::vector<connector_fault>(const autoscaler_config&)>
    connector_faults;
  /// When none of the policies is in force, as `mon-fri 18:00-24:00`; empty: it
  /// is not looked at.
  std::function<std::vector<std::string>(const std::vector<policy_config>&)>
    policy_gaps;
  /// If the file names none; empty: `default_state_dir` of this host.
  std::string state_dir;
};

struct loaded_config {
  /// `value.runners` has those that can be served. Not to be used after
  /// `fatal`.
  config value;
  std::vector<diagnostic> diagnostics; ///< in the order of the file
  bool passed = false;                 ///< by the mode of the options
  size_t left_out = 0; ///< runners that cannot be served as written
  std::string source;  ///< for `format_diagnostic`; holds secrets, do not keep
};

/// Reads config.toml. Never throws: what is wrong with the file is among the
/// diagnostics, and what cannot be served is left out.
/// Source: reference/config.
loaded_config load_config(const std::string& path,
                          const load_options& options = {});

/// The same for text; `path` is for messages.
loaded_config parse_config(std::string text, const std::string& path,
                           const load_options& options = {});

/// Replaces `$NAME` and `${NAME}` as Go's os.Expand does: unset is empty, a `$`
/// without a name stays.
std::string expand_variables(
  std::string_view text,
  const std::function<std::optional<std::string>(const std::string&)>& lookup);

} // namespace muster
