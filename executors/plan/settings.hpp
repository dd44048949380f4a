#pragma once

#include "config/config.hpp"
#include "executors/plan/variables.hpp"
#include "messages/payload.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace muster {

enum class git_strategy : uint8_t { fetch, clone, none, empty, unknown };

enum class submodule_strategy : uint8_t { none, normal, recursive, unknown };

/// What a job's variables say about getting sources (reference/job-stages,
/// section 8). Empty flags: none.
struct git_settings {
  git_strategy strategy = git_strategy::fetch;
  bool checkout = true;
  bool clean = true; ///< GIT_CLEAN_FLAGS is not `none`
  std::vector<std::string> clean_flags;
  std::vector<std::string> fetch_flags;
  std::vector<std::string> clone_flags; ///< GIT_CLONE_EXTRA_FLAGS
  bool native_clone = false;            ///< FF_USE_GIT_NATIVE_CLONE
  bool proactive_auth = false;          ///< FF_USE_GIT_PROACTIVE_AUTH
  int32_t depth = 0;                    ///< commits; 0: all
  submodule_strategy submodules = submodule_strategy::none;
  int32_t submodule_depth = 0;              ///< commits; 0: all
  std::vector<std::string> submodule_paths; ///< empty: all
  std::vector<std::string> submodule_update_flags;
  bool submodule_force_https = false;
  bool lfs_skip_smudge = false;
  bool clean_git_config = true;
  std::string refusal; ///< not empty: getting sources must fail, and why

  /// Whether there is a repository at the end.
  bool repository() const {
    return strategy == git_strategy::fetch || strategy == git_strategy::clone;
  }
};

/// The feature flags that change a plan.
struct plan_flags {
  bool bash_exit_code_check = false;
  bool script_sections = false;
  bool job_cleanup = false;
  bool git_bundle_uris = true;
  bool gitaly_correlation_id = true;
  bool retry_backoff = true; ///< FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY
  bool hash_cache_keys = false;
  bool clean_up_failed_extract = false; ///< FF_CLEAN_UP_FAILED_CACHE_EXTRACT
};

/// What a job's variables say about caches and artifacts.
struct archive_settings {
  int32_t restore_attempts = 1;        ///< [1..10]
  int32_t download_attempts = 1;       ///< [1..10]
  int32_t cache_timeout_minutes = 10;  ///< of a request
  std::string fallback_key;            ///< CACHE_FALLBACK_KEY
  bool artifacts_metadata = false;     ///< RUNNER_GENERATE_ARTIFACTS_METADATA
  std::string metadata_schema_version; ///< SLSA_PROVENANCE_SCHEMA_VERSION
};

/// What a job's variables say about how it is carried out.
struct job_settings {
  git_settings git;
  plan_flags flags;
  archive_settings archives;
  bool debug_trace = false;
  bool debug_services = false;                      ///< CI_DEBUG_SERVICES
  int32_t get_sources_attempts = 1;                 ///< [1..10]
  std::chrono::milliseconds prepare_timeout{0};     ///< 0: the job's own
  std::chrono::milliseconds get_sources_timeout{0}; ///< 0: the job's own
  std::chrono::milliseconds script_timeout{0};      ///< 0: none
  std::chrono::milliseconds after_script_timeout{300'000};
  bool after_script_ignore_errors = true;
  std::vector<std::string> warnings; ///< about values that cannot be used
};

/// Reads the settings from a job's expanded variables. What cannot be used is
/// replaced by the default and told in `warnings`.
job_settings read_settings(const job_variables& variables,
                           const job_payload& payload,
                           const runner_config& runner,
                           std::chrono::milliseconds job_timeout);

/// The last variable of a name among those that GitLab sent: what a feature
/// flag is looked up in.
std::optional<std::string> payload_variable(const job_payload& payload,
                                            std::string_view name);

} // namespace muster
