#include "executors/plan/settings.hpp"

#include "config/duration.hpp"
#include "config/feature_flags.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace muster {

namespace {

using std::chrono::milliseconds;

/// Reads single values and keeps the warnings about them.
class reader {
public:
  reader(const job_variables& variables, std::vector<std::string>& warnings)
    : variables_(variables),
      warnings_(warnings) {
  }

  std::string text(std::string_view key) const {
    return variables_.value(key);
  }

  bool boolean(std::string_view key, bool by_default) {
    auto value = text(key);
    if (value.empty())
      return by_default;
    if (auto parsed = parse_bool(value))
      return *parsed;
    warn(key, "expected true or false, got \"" + value + "\", using "
                + (by_default ? "true" : "false"));
    return by_default;
  }

  int32_t attempts(std::string_view key) {
    constexpr int32_t attempts_max = 10;
    auto value = text(key);
    if (value.empty())
      return 1;
    auto parsed = integer(value);
    auto used = parsed ? std::clamp(*parsed, 1, attempts_max) : 1;
    if (parsed != used)
      warn(key, "expected a number from 1 to 10, got \"" + value + "\", using "
                  + std::to_string(used));
    return used;
  }

  int32_t depth(std::string_view key, int32_t by_default) {
    auto value = text(key);
    if (value.empty())
      return by_default;
    auto parsed = integer(value);
    if (parsed && *parsed >= 0)
      return *parsed;
    warn(key, "expected a number of commits, got \"" + value + "\", using "
                + std::to_string(by_default));
    return by_default;
  }

  int32_t minutes(std::string_view key, int32_t by_default) {
    auto value = text(key);
    if (value.empty())
      return by_default;
    auto parsed = integer(value);
    if (parsed && *parsed > 0)
      return *parsed;
    warn(key, "expected a number of minutes, got \"" + value + "\", using "
                + std::to_string(by_default));
    return by_default;
  }

  milliseconds timeout(std::string_view key, milliseconds by_default,
                       milliseconds job_timeout) {
    auto value = text(key);
    if (value.empty())
      return by_default;
    auto parsed = parse_duration(value);
    if (!parsed || parsed->count() < 0) {
      warn(key, "expected a duration such as 90s or 1h30m, got \"" + value
                  + "\": ignored");
      return by_default;
    }
    if (parsed->count() == 0)
      return by_default;
    if (*parsed > job_timeout)
      warn(key, "\"" + value + "\" is longer than the job's time-out of "
                  + format_duration(job_timeout)
                  + ", which ends the job before");
    // Less than a millisecond is still a time-out, not none.
    return std::chrono::ceil<milliseconds>(*parsed);
  }

  /// A limit of the configuration; 0 if it is none, or beyond the job's.
  milliseconds limit(std::string_view key,
                     const std::optional<milliseconds>& value,
                     milliseconds job_timeout) {
    if (!value)
      return milliseconds{0};
    if (*value <= job_timeout)
      return *value;
    warn(key, format_duration(*value) + " is longer than the job's time-out of "
                + format_duration(job_timeout) + ", which is used instead");
    return milliseconds{0};
  }

  void warn(std::string_view key, const std::string& what) {
    warnings_.push_back(std::string{key} + ": " + what);
  }

private:
  static std::optional<int32_t> integer(std::string_view value) {
    int32_t result = 0;
    auto end = value.data() + value.size();
    auto [rest, error] = std::from_chars(value.data(), end, result);
    if (error != std::errc{} || rest != end)
      return std::nullopt;
    return result;
  }

  const job_variables& variables_;
  std::vector<std::string>& warnings_;
};

git_strategy strategy_of(std::string_view value, bool allow_fetch) {
  if (value.empty())
    return allow_fetch ? git_strategy::fetch : git_strategy::clone;
  if (value == "fetch")
    return git_strategy::fetch;
  if (value == "clone")
    return git_strategy::clone;
  if (value == "none")
    return git_strategy::none;
  if (value == "empty")
    return git_strategy::empty;
  return git_strategy::unknown;
}

submodule_strategy submodule_strategy_of(std::string_view value) {
  if (value.empty() || value == "none")
    return submodule_strategy::none;
  if (value == "normal")
    return submodule_strategy::normal;
  if (value == "recursive")
    return submodule_strategy::recursive;
  return submodule_strategy::unknown;
}

/// Flags that are `none`, the variable's words, or the default's.
std::vector<std::string> flags_of(const std::string& value,
                                  std::string_view by_default) {
  if (value == "none")
    return {};
  return words_of(value.empty() ? by_default : std::string_view{value});
}

void read_submodules(git_settings& git, reader& from) {
  auto value = from.text("GIT_SUBMODULE_STRATEGY");
  git.submodules = submodule_strategy_of(value);
  if (git.submodules == submodule_strategy::unknown) {
    git.refusal = "unknown GIT_SUBMODULE_STRATEGY \"" + value
                  + "\": expected none, normal or recursive";
    from.warn("GIT_SUBMODULE_STRATEGY",
              "expected none, normal or recursive, got \"" + value + '"');
  }
  git.submodule_depth = from.depth("GIT_SUBMODULE_DEPTH", git.depth);
  git.submodule_paths = words_of(from.text("GIT_SUBMODULE_PATHS"));
  git.submodule_update_flags
    = words_of(from.text("GIT_SUBMODULE_UPDATE_FLAGS"));
  git.submodule_force_https = from.boolean("GIT_SUBMODULE_FORCE_HTTPS", false);
  if (git.submodules != submodule_strategy::none
      && std::ranges::find(git.submodule_paths, ":(exclude)")
           != git.submodule_paths.end())
    git.refusal = "GIT_SUBMODULE_PATHS: \":(exclude)\" stands alone, write "
                  "the path behind it without a blank";
}

git_settings read_git(reader& from, const job_payload& payload,
                      const runner_config& runner) {
  git_settings git;
  auto strategy = from.text("GIT_STRATEGY");
  git.strategy = strategy_of(strategy, payload.allow_git_fetch);
  git.checkout = from.boolean("GIT_CHECKOUT", true) && git.repository();
  git.clean_flags = flags_of(from.text("GIT_CLEAN_FLAGS"), "-ffdx");
  git.clean = from.text("GIT_CLEAN_FLAGS") != "none";
  git.fetch_flags
    = flags_of(from.text("GIT_FETCH_EXTRA_FLAGS"), "--prune --quiet");
  git.clone_flags = words_of(from.text("GIT_CLONE_EXTRA_FLAGS"));
  git.depth = std::max(payload.git.depth, 0);
  if (git.repository())
    read_submodules(git, from);
  git.lfs_skip_smudge = from.boolean("GIT_LFS_SKIP_SMUDGE", false);
  git.clean_git_config
    = runner.clean_git_config.value_or(git.strategy != git_strategy::none);
  if (git.strategy == git_strategy::unknown) {
    git.refusal = "unknown GIT_STRATEGY \"" + strategy
                  + "\": expected fetch, clone, none or empty";
    from.warn("GIT_STRATEGY",
              "expected fetch, clone, none or empty, got \"" + strategy + '"');
  }
  return git;
}

archive_settings read_archives(reader& from) {
  archive_settings archives;
  archives.restore_attempts = from.attempts("RESTORE_CACHE_ATTEMPTS");
  archives.download_attempts = from.attempts("ARTIFACT_DOWNLOAD_ATTEMPTS");
  archives.cache_timeout_minutes
    = from.minutes("CACHE_REQUEST_TIMEOUT", archives.cache_timeout_minutes);
  archives.fallback_key = from.text("CACHE_FALLBACK_KEY");
  archives.artifacts_metadata
    = from.boolean("RUNNER_GENERATE_ARTIFACTS_METADATA", false);
  archives.metadata_schema_version
    = from.text("SLSA_PROVENANCE_SCHEMA_VERSION");
  return archives;
}

plan_flags read_flags(const job_payload& payload, const runner_config& runner) {
  auto flag = [&](std::string_view name) {
    return flag_value(
      runner,
      [&](std::string_view key) { return payload_variable(payload, key); },
      name);
  };
  plan_flags flags;
  flags.bash_exit_code_check = flag("FF_ENABLE_BASH_EXIT_CODE_CHECK");
  flags.script_sections = flag("FF_SCRIPT_SECTIONS") && payload.trace_sections;
  flags.job_cleanup = flag("FF_ENABLE_JOB_CLEANUP");
  flags.git_bundle_uris = flag("FF_USE_GIT_BUNDLE_URIS");
  flags.gitaly_correlation_id = flag("FF_USE_GITALY_CORRELATION_ID");
  flags.retry_backoff = flag("FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY");
  flags.hash_cache_keys = flag("FF_HASH_CACHE_KEYS");
  flags.clean_up_failed_extract = flag("FF_CLEAN_UP_FAILED_CACHE_EXTRACT");
  return flags;
}

} // namespace

std::optional<std::string> payload_variable(const job_payload& payload,
                                            std::string_view name) {
  for (auto i = payload.variables.rbegin(); i != payload.variables.rend(); ++i)
    if (i->key == name)
      return i->value.reveal();
  return std::nullopt;
}

job_settings read_settings(const job_variables& variables,
                           const job_payload& payload,
                           const runner_config& runner,
                           milliseconds job_timeout) {
  job_settings result;
  reader from{variables, result.warnings};
  result.git = read_git(from, payload, runner);
  result.flags = read_flags(payload, runner);
  auto flag = [&](std::string_view name) {
    return flag_value(
      runner,
      [&](std::string_view key) { return payload_variable(payload, key); },
      name);
  };
  result.git.native_clone = flag("FF_USE_GIT_NATIVE_CLONE");
  result.git.proactive_auth = flag("FF_USE_GIT_PROACTIVE_AUTH");
  result.archives = read_archives(from);
  result.debug_trace = from.boolean("CI_DEBUG_TRACE", false);
  if (result.debug_trace && runner.debug_trace_disabled) {
    result.debug_trace = false;
    from.warn("CI_DEBUG_TRACE", "usage is disabled on this Runner");
  }
  if (runner.docker)
    result.debug_services = from.boolean("CI_DEBUG_SERVICES", false);
  if (result.debug_services && runner.debug_trace_disabled) {
    result.debug_services = false;
    from.warn("CI_DEBUG_SERVICES", "usage is disabled on this Runner");
  }
  result.get_sources_attempts = from.attempts("GET_SOURCES_ATTEMPTS");
  result.prepare_timeout
    = from.limit("prepare_timeout", runner.prepare_timeout, job_timeout);
  result.get_sources_timeout = from.limit(
    "get_sources_timeout", runner.get_sources_timeout, job_timeout);
  result.script_timeout
    = from.timeout("RUNNER_SCRIPT_TIMEOUT", milliseconds{0}, job_timeout);
  result.after_script_timeout = from.timeout(
    "RUNNER_AFTER_SCRIPT_TIMEOUT", result.after_script_timeout, job_timeout);
  result.after_script_ignore_errors
    = from.boolean("AFTER_SCRIPT_IGNORE_ERRORS", true);
  return result;
}

} // namespace muster
