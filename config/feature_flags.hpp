#pragma once

#include "config/config.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

struct feature_flag {
  std::string_view name;
  bool by_default = false;
  bool config_only = false; ///< a variable of that name has no effect
};

/// All flags that concern these executors, in the order in which GitLab Runner
/// declares them. Source: reference/config, section 8.
std::span<const feature_flag> feature_flags();

/// Returns the last variable of that name of a job, or nothing.
using variable_lookup
  = std::function<std::optional<std::string>(std::string_view name)>;

/// Returns a flag's value: `[runners.feature_flags]` before the job's variable
/// before `environment` before the default; false for a flag that does not
/// exist. A variable that is no bool counts as false, as with GitLab Runner.
bool flag_value(const runner_config& runner,
                const variable_lookup& job_variable, std::string_view name);

struct flag_setting {
  std::string name;
  bool value = false;

  bool operator==(const flag_setting&) const = default;
};

/// Returns the flags that differ from their defaults, in declaration order:
/// what the trace's header shows.
std::vector<flag_setting> changed_flags(const runner_config& runner,
                                        const variable_lookup& job_variable);

/// Returns `FF_A:true, FF_B:false`, or nothing when all have their defaults.
std::string changed_flags_text(const runner_config& runner,
                               const variable_lookup& job_variable);

/// Returns a line for each variable that should set a flag and is no bool.
std::vector<std::string>
bad_flag_variables(const runner_config& runner,
                   const variable_lookup& job_variable);

/// Reads a bool as Go does: `1 t T TRUE true True`, `0 f F FALSE false False`.
std::optional<bool> parse_bool(std::string_view text);

} // namespace muster
