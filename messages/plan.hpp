#pragma once

#include "messages/containers.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// When a stage is carried out, from what went before it.
enum class stage_condition : uint8_t {
  on_success,  ///< nothing has failed
  after_steps, ///< a `step` stage was begun and the job was neither aborted nor
               ///< out of its own time (after_script)
  always,      ///< also after a failure, an abort or a time-out (cleaning up)
  on_failure,  ///< something before `archive` has failed, and the job was
               ///< neither aborted nor out of its own time
};

/// What a stage belongs to; decides what a graceful cancel and a failure mean.
enum class stage_phase : uint8_t {
  prepare, ///< a failure ends the job at once: only `always` stages of phase
           ///< `cleanup` follow, and they leave no trace
  sources, ///< fetched before the steps; cancelling ends the job
  step,    ///< the user's script; a graceful cancel ends only this
  after,   ///< after_script: its failure is ignored unless `failure_counts`
  cleanup, ///< its failure never changes the result
  archive, ///< caches and artifacts go out: its failure counts if nothing had
           ///< failed, but does not decide what follows; a graceful cancel
           ///< leaves it alone
};

/// The stage that prepares containers.
inline constexpr auto prepare_executor_stage = "prepare_executor";

/// Where a stage's script runs. All but `host` need a `container_plan`.
enum class stage_place : uint8_t {
  host,   ///< a shell of the login user
  engine, ///< no script: images, volumes, network, services, containers
  helper, ///< the helper container
  build,  ///< the job's container
};

/// One script of a job.
struct stage_plan {
  std::string name;    ///< also the section's name: `step_script`, ...
  std::string heading; ///< shown in the trace when it begins
  std::string script;  ///< given to the shell on its standard input
  stage_condition condition = stage_condition::on_success;
  stage_phase phase = stage_phase::step;
  stage_place place = stage_place::host;
  int32_t attempts_max = 1;   ///< tries until it succeeds [1..10]
  std::string before_retry;   ///< script run before a further try; may be empty
  int64_t timeout_ms = 0;     ///< of all tries together [ms]; 0: none
  bool failure_counts = true; ///< a failure here fails the job
  bool status_variable = false; ///< give it CI_JOB_STATUS in its environment

  /// Pause before the second try, doubled before each further one up to the
  /// bound [ms] (FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY; off: 1 s up to 5 s).
  int64_t retry_pause_ms = 5'000;
  int64_t retry_pause_max_ms = 300'000;
};

/// All that a helper needs to carry out a job without its manager. Plain data:
/// the static helper knows neither GitLab's payload nor CAF.
struct job_plan {
  std::string key;   ///< the acquisition's key; names the job at the instance
  std::string shell; ///< `bash`, `sh`, a path, or empty: bash if there, else sh
  std::vector<stage_plan> stages; ///< in order
  int64_t timeout_ms = 0;         ///< left of the job's own time [ms]; 0: none
  int64_t steps_timeout_ms = 0;   ///< of all `step` stages together [ms]; 0:
                                  ///< none
  std::string temp_dir; ///< removed when the slot is cleaned: file variables;
                        ///< relative to the login directory; may be empty
  std::optional<container_plan> containers; ///< docker-autoscaler's
};

/// How a job ended at the instance.
enum class plan_outcome : uint8_t {
  success,
  failed,    ///< a stage's script failed
  timed_out, ///< of the job or of a stage
  canceled,
  broken,        ///< the helper could not go on: no shell, no memory, disk full
  misconfigured, ///< containers cannot be as the job or its runner wants
  image_missing, ///< an image could not be pulled
  dependency_failed, ///< the same, since something on the way is out of order
};

enum class cancel_mode : uint8_t {
  graceful, ///< only steps end; after_script and cleaning up still run
  now,      ///< everything ends; only cleaning up runs
};

} // namespace muster
