#include "config/feature_flags.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace muster {

namespace {

constexpr auto all_flags = std::to_array<feature_flag>({
  {"FF_NETWORK_PER_BUILD", false},
  {"FF_USE_DIRECT_DOWNLOAD", true},
  {"FF_USE_FASTZIP", true},
  {"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR", false},
  {"FF_ENABLE_BASH_EXIT_CODE_CHECK", false},
  {"FF_USE_LEGACY_BASH_EVAL", false},
  {"FF_USE_POWERSHELL_PATH_RESOLVER", false},
  {"FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL", false, true},
  {"FF_SCRIPT_SECTIONS", false},
  {"FF_ENABLE_JOB_CLEANUP", false},
  {"FF_POSIXLY_CORRECT_ESCAPES", false},
  {"FF_RESOLVE_FULL_TLS_CHAIN", false},
  {"FF_DISABLE_POWERSHELL_STDIN", false},
  {"FF_SECRET_RESOLVING_FAILS_IF_MISSING", true},
  {"FF_USE_GIT_BUNDLE_URIS", true},
  {"FF_USE_GIT_NATIVE_CLONE", false},
  {"FF_USE_INIT_WITH_DOCKER_EXECUTOR", false},
  {"FF_LOG_IMAGES_CONFIGURED_FOR_JOB", false},
  {"FF_USE_DOCKER_AUTOSCALER_DIAL_STDIO", true},
  {"FF_CLEAN_UP_FAILED_CACHE_EXTRACT", false},
  {"FF_TIMESTAMPS", true},
  {"FF_DISABLE_AUTOMATIC_TOKEN_ROTATION", false},
  {"FF_USE_LEGACY_GCS_CACHE_ADAPTER", false},
  {"FF_USE_LEGACY_S3_CACHE_ADAPTER", false},
  {"FF_GIT_URLS_WITHOUT_TOKENS", false},
  {"FF_MASK_ALL_DEFAULT_TOKENS", true},
  {"FF_EXPORT_HIGH_CARDINALITY_METRICS", false},
  {"FF_USE_FLEETING_ACQUIRE_HEARTBEATS", false},
  {"FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY", true},
  {"FF_USE_ADAPTIVE_REQUEST_CONCURRENCY", true, true},
  {"FF_USE_GITALY_CORRELATION_ID", true},
  {"FF_USE_GIT_PROACTIVE_AUTH", false},
  {"FF_HASH_CACHE_KEYS", false},
  {"FF_ENABLE_JOB_INPUTS_INTERPOLATION", true},
  {"FF_USE_JOB_ROUTER", false, true},
  {"FF_SCRIPT_TO_STEP_MIGRATION", false},
  {"FF_CONCRETE", false},
  {"FF_USE_PARALLEL_CACHE_TRANSFER", false},
  {"FF_USE_PARALLEL_ARTIFACT_TRANSFER", false},
  {"FF_SUSPENDABLE_ENVIRONMENTS", false},
  {"FF_USE_NATIVE_CONTAINER_STOP", false},
});

const feature_flag* find_flag(std::string_view name) {
  const auto* found = std::ranges::find(all_flags, name, &feature_flag::name);
  return found == all_flags.end() ? nullptr : found;
}

/// The last `NAME=value` of the runner's `environment`.
std::optional<std::string> from_environment(const runner_config& runner,
                                            std::string_view name) {
  for (auto it = runner.environment.rbegin(); it != runner.environment.rend();
       ++it) {
    std::string_view entry = *it;
    auto equals = entry.find('=');
    if (equals != std::string_view::npos && entry.substr(0, equals) == name)
      return std::string{entry.substr(equals + 1)};
  }
  return std::nullopt;
}

/// The variable that decides a flag, if one does.
std::optional<std::string>
deciding_variable(const runner_config& runner,
                  const variable_lookup& job_variable,
                  const feature_flag& flag) {
  if (flag.config_only || runner.feature_flags.contains(std::string{flag.name}))
    return std::nullopt;
  if (job_variable)
    if (auto value = job_variable(flag.name))
      return value;
  return from_environment(runner, flag.name);
}

bool value_of(const runner_config& runner, const variable_lookup& job_variable,
              const feature_flag& flag) {
  if (auto it = runner.feature_flags.find(std::string{flag.name});
      it != runner.feature_flags.end())
    return it->second;
  if (auto text = deciding_variable(runner, job_variable, flag))
    return parse_bool(*text).value_or(false);
  return flag.by_default;
}

} // namespace

std::span<const feature_flag> feature_flags() {
  return all_flags;
}

std::optional<bool> parse_bool(std::string_view text) {
  for (auto yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes)
      return true;
  for (auto no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no)
      return false;
  return std::nullopt;
}

bool flag_value(const runner_config& runner,
                const variable_lookup& job_variable, std::string_view name) {
  const auto* flag = find_flag(name);
  return flag != nullptr && value_of(runner, job_variable, *flag);
}

std::vector<flag_setting> changed_flags(const runner_config& runner,
                                        const variable_lookup& job_variable) {
  std::vector<flag_setting> changed;
  for (const auto& flag : all_flags)
    if (auto value = value_of(runner, job_variable, flag);
        value != flag.by_default)
      changed.push_back({std::string{flag.name}, value});
  return changed;
}

std::string changed_flags_text(const runner_config& runner,
                               const variable_lookup& job_variable) {
  std::string text;
  for (const auto& flag : changed_flags(runner, job_variable))
    text += fmt::format("{}{}:{}", text.empty() ? "" : ", ", flag.name,
                        flag.value);
  return text;
}

std::vector<std::string>
bad_flag_variables(const runner_config& runner,
                   const variable_lookup& job_variable) {
  std::vector<std::string> lines;
  for (const auto& flag : all_flags)
    if (auto text = deciding_variable(runner, job_variable, flag);
        text && !parse_bool(*text))
      lines.push_back(fmt::format("the variable {} is neither true nor false: "
                                  "the feature flag is taken as false",
                                  flag.name));
  return lines;
}

} // namespace muster
