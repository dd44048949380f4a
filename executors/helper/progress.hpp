#pragma once

#include "messages/plan.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// Which script of a plan comes next. Pure: what happened and the time go in,
/// what to do comes out. Rules: reference/job-stages, sections 1 and 3.
namespace muster::progress {

/// Since the plan was taken, on a monotonic clock.
using time_point = std::chrono::microseconds;

/// From SIGTERM to SIGKILL when a time-out or `cancel_mode::now` ends a script.
constexpr std::chrono::seconds grace_hurried{2};

/// The same for `cancel_mode::graceful`.
constexpr std::chrono::seconds grace_graceful{10};

/// Of a `cleanup` stage without a time-out; it does not count against the job's
/// own time, so that file variables are removed after a time-out too.
constexpr std::chrono::seconds cleanup_time{60};

// -- what happened ------------------------------------------------------------

struct plan_taken {};

/// A script has ended by itself or was ended.
struct script_over {
  int32_t exit_code = 0; ///< 128 + n after signal n
};

/// A script could not be run or could not be ended: not the script's fault.
struct script_broken {
  std::string text;
  /// `broken`: the helper is at fault; or one of containers' own: see
  /// `is_of_system`.
  plan_outcome outcome = plan_outcome::broken;
};

struct cancel_wanted {
  cancel_mode mode = cancel_mode::graceful;
};

/// Time has passed; see `wake_at`.
struct tick {};

using event
  = std::variant<plan_taken, script_over, script_broken, cancel_wanted, tick>;

// -- what to do ---------------------------------------------------------------

/// Note `stage_begun`.
struct note_begun {
  uint32_t stage = 0;
  uint32_t attempt = 1;
};

/// Note `stage_ended`.
struct note_ended {
  uint32_t stage = 0;
  uint32_t attempt = 1;
  plan_outcome outcome = plan_outcome::success;
  int32_t exit_code = 0;
  std::string text;
};

/// Run a script of the stage; answered by `script_over` or `script_broken`.
struct start_script {
  uint32_t stage = 0;
  bool before_retry = false; ///< `stage_plan::before_retry`, not `script`
  bool quiet = false;        ///< its output is dropped
  std::string job_status;    ///< CI_JOB_STATUS; empty: not set
};

/// SIGTERM to all processes of the job.
struct terminate_script {};

/// SIGKILL to all processes of the job until none is left.
struct kill_script {};

/// Nothing follows: end what is left and note `job_ended`.
struct finish {
  plan_outcome outcome = plan_outcome::success;
  uint32_t stage = 0;
  int32_t exit_code = 0;
  std::string text;
};

using action = std::variant<note_begun, note_ended, start_script,
                            terminate_script, kill_script, finish>;

// -- where a job stands -------------------------------------------------------

enum class phase : uint8_t {
  not_begun,
  pausing,   ///< before a further try
  preparing, ///< `before_retry` runs
  running,   ///< the stage's script runs
  stopping,  ///< SIGTERM was sent
  killing,   ///< SIGKILL was sent
  over,
};

struct state {
  progress::phase phase = phase::not_begun;
  uint32_t stage = 0;   ///< index into the plan
  uint32_t attempt = 1; ///< counts from 1
  std::optional<time_point> stage_deadline;
  std::optional<time_point> steps_deadline; ///< of all steps, once one is begun
  time_point wake{}; ///< end of the pause, or of the grace while stopping
  bool steps_begun = false;
  bool failed = false;  ///< a stage before `archive` has: what follows differs
  bool aborted = false; ///< only `always` stages of phase `cleanup` follow
  bool quiet = false;   ///< the current stage leaves no trace
  plan_outcome stop_reason = plan_outcome::success; ///< why it is being stopped
  std::string stop_text;                            ///< the same for people
  finish verdict; ///< the job's end as it stands; the first failure is kept
};

/// Moves a job on. Events that do not fit the phase change nothing.
/// Errors: none; broken plans (no stages, attempts out of 1..10, negative
/// times) are carried out as near as they make sense.
std::vector<action> step(const job_plan& plan, state& st, const event& what,
                         time_point now);

/// Whether a stage ended so for other reasons than its script or the clock: the
/// whole job cannot go on.
bool is_of_system(plan_outcome x);

/// Whether the script is being ended, by SIGTERM or by SIGKILL.
bool is_stopping(const state& st);

/// Of a script that was killed before it had one of its own: 128 + SIGKILL.
constexpr int32_t killed_exit_code = 137;

/// Returns when a `tick` is due at the latest; nothing: only another event can
/// change anything.
std::optional<time_point> wake_at(const job_plan& plan, const state& st);

} // namespace muster::progress
