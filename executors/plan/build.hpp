#pragma once

#include "config/config.hpp"
#include "executors/plan/variables.hpp"
#include "messages/error_codes.hpp"
#include "messages/payload.hpp"
#include "messages/plan.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

/// What a plan depends on besides the payload and the configuration.
struct plan_facts {
  std::string key; ///< the acquisition's
  std::string short_token;
  std::string manager_host; ///< named in the trace
  std::string version;
  std::string revision;
  std::string os;            ///< of this manager, as Go names it: `linux`
  std::string arch;          ///< of this manager, as Go names it: `amd64`
  int32_t concurrent_id = 0; ///< among this runner's jobs
  int32_t concurrent_project_id = 0; ///< among its jobs of the same project
  int32_t slot = -1;                 ///< of its instance; -1: not known yet
  std::string system_id;
  std::string unique; ///< 16 hexadecimal digits that no other job has
  /// Left of the job's time [ms]; 0: all of it, none was used yet.
  std::chrono::milliseconds time_left{0};
  int64_t began_unix = 0; ///< when the job's time began [s]; 0: not known
};

struct plan_result {
  job_plan plan;
  /// About values of variables that cannot be used and parts of the payload
  /// that are not carried out: one warning, a line each (reference/trace,
  /// section 2).
  std::vector<std::string> warnings;
  std::vector<std::string> policy_lines; ///< shown before the first step
  bool uses_default_image = false;       ///< of containers: the job names none
  std::chrono::milliseconds prepare_timeout{0};     ///< 0: the job's own
  std::chrono::milliseconds get_sources_timeout{0}; ///< the same
  std::vector<std::string> mask_phrases;            ///< for the trace, in order
  std::vector<std::string> mask_prefixes;           ///< for the trace, in order
  job_variables variables; ///< the job's final ones, expanded
};

/// Returns the time that a job may take in all.
std::chrono::milliseconds job_timeout(const job_payload& payload);

/// Turns a job into the stages that its instance carries out, in order:
/// `prepare_script`, `get_sources`, `restore_cache`, `download_artifacts`, the
/// payload's steps, `after_script`, `archive_cache` and `upload_artifacts_...`
/// for each way in which these may end, and `cleanup_file_variables`. A stage
/// with nothing to do is left out. With the docker-autoscaler executor
/// `prepare_executor` stands before them, each stage has its place, and the
/// plan has containers.
///
/// Errors: `configuration_error` if the job or its runner is configured so that
/// it cannot run; `runner_system_failure` for a payload that must not be run.
/// Source: reference/job-stages, sections 1 and 4 to 8.
result<plan_result, job_errc> build_plan(const job_payload& payload,
                                         const runner_config& runner,
                                         const plan_facts& facts);

} // namespace muster
