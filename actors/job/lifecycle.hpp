#pragma once

#include "actors/clock.hpp"
#include "messages/error_codes.hpp"
#include "messages/job.hpp"

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace muster::job_life {

enum class phase : uint8_t {
  acquiring, ///< waits for a slot
  routing,   ///< waits for the connection to the instance
  accepting, ///< waits for GitLab to have the job marked as running
  noting,    ///< waits for the journal to have it that the plan may be sent
  sending,   ///< the plan is on its way to the helper
  running,   ///< the helper carries it out
  finishing, ///< the result is known; trace and state go to GitLab
  done,
};

/// How a job ended, as far as this manager knows.
struct verdict {
  bool success = false;
  job_errc reason = job_errc::script_failure;
  int32_t exit_code = 0;
  std::string text; ///< what stands behind `Job failed: `
};

struct options {
  std::chrono::milliseconds job_timeout{7'200'000};
  std::chrono::milliseconds acquire_timeout{900'000};
  std::string acquire_timeout_text = "15m0s";
  std::string job_timeout_text = "2h0m0s";
  /// Until the helper's first stage is over; 0: the job's own.
  std::chrono::milliseconds prepare_timeout{0};
  std::string prepare_timeout_text;
  std::string get_sources_timeout_text;
  bool in_containers = false; ///< which takes a helper
};

struct state {
  phase at = phase::acquiring;
  int accept_tries = 0;  ///< that GitLab did not answer, or not yet
  bool accepted = false; ///< GitLab answered the acceptance, or never will
  bool held_back
    = false; ///< the result waits for that: GitLab takes no log yet
  bool slot_held = false;
  bool plan_sent = false; ///< at least once: only attaching from now on
  bool dropped = false;   ///< GitLab does not want it: no trace, no update
  bool stream_open = false;
  uint64_t stream = 0; ///< number of the stream in force
  int untaken = 0;     ///< streams in a row on which the helper said nothing
  uint64_t next_record = 0; ///< to attach from
  bool ending = false;      ///< the helper is, or is to be, told to cancel
  cancel_mode cancelled = cancel_mode::graceful; ///< how, if `ending`
  verdict cancel_verdict; ///< what a cancelled plan means
  verdict result;
  time_point job_ends;     ///< the job's own time runs out
  time_point prepare_ends; ///< to be prepared by then; `job_ends` at the latest
  time_point give_up;      ///< of the present wait
  /// A helper that was told to end everything has ended the job by then.
  time_point unwound_by = time_point::max();
  uint64_t timer = 0;
  std::string instance;
  int32_t slot = 0;
  bool no_helper
    = false; ///< at the instance: the plan is carried out from here
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, state& x) {
  return f(caf::meta::type_name("job_life"), x.at, x.accepted, x.held_back,
           x.slot_held, x.plan_sent, x.dropped, x.stream, x.next_record,
           x.ending, x.instance);
}

struct started {
  std::chrono::milliseconds used{0}; ///< of the job's time, by earlier managers
};
/// An earlier manager may have sent the plan to this place: the job goes on
/// there.
struct resumed {
  std::string instance;
  int32_t slot = 0;
  std::chrono::milliseconds used{0}; ///< of the job's time
  bool no_helper = false;            ///< was there: nobody went on with the job
};
/// The job cannot be carried out as it is.
struct plan_failed {
  verdict how;
};
struct slot_gone {
  std::string reason;
};
/// The slot's actor is gone, the machine is not: whoever keeps it now is told.
struct slot_orphaned {};
struct group_replaced {};
struct trace_gone {
  std::string reason;
};

using event
  = std::variant<started, resumed, plan_failed, update_result, acquired,
                 stream_route, job_start_written, plan_accepted, plan_ended,
                 stream_lost, cancel_job, job_ordered, slot_gone, slot_orphaned,
                 group_replaced, trace_gone, job_timer, trace_flushed>;

struct tell_running {
  std::chrono::milliseconds after{0};
};
struct ask_slot {
  bool renewed = false; ///< another group has not promised it
};
struct ask_route {
  std::string instance;
  std::chrono::milliseconds timeout{0};
};
struct note_slot {};      ///< watch it, from now on
struct note_place {};     ///< write into the log
struct show_connected {}; ///< the trace's line
struct note_start {};     ///< write into the journal that the plan may be sent
struct send_plan {
  uint64_t stream = 0;
  std::chrono::milliseconds time_left{0};    ///< of the job's own time
  std::chrono::milliseconds prepare_left{0}; ///< of that for preparing
};
struct attach_stream {
  uint64_t stream = 0;
  uint64_t record = 0;
};
struct note_attached {};
struct send_cancel {
  cancel_mode mode = cancel_mode::graceful;
};
struct drop_stream {};
struct vacate {};
struct claim_slot {};
struct give_back {}; ///< the reservation or the waiting acquire
struct finish_trace {};
struct show_warning {
  std::string text; ///< in the job's log
};
struct arm_timer {
  time_point at;
  uint64_t version = 0;
};
/// The last action.
struct leave {
  bool confirmed = false;
  std::string text;
};

using action
  = std::variant<tell_running, ask_slot, ask_route, note_slot, note_place,
                 show_connected, note_start, send_plan, attach_stream,
                 note_attached, send_cancel, drop_stream, vacate, claim_slot,
                 give_back, finish_trace, show_warning, arm_timer, leave>;

/// Moves a job on, from its acceptance to its confirmed result. Whatever
/// happens, exactly one result is decided; later events do not change it.
///
/// Source: reference/job-api, sections 4 to 7; reference/job-stages, section 3.
std::vector<action> step(state& st, const options& opts, const event& what,
                         time_point now);

/// The reason as it is sent to GitLab, which may not know ours.
///
/// Source: reference/job-api, section 7.
std::string reason_on_wire(job_errc reason,
                           const std::vector<std::string>& supported);

} // namespace muster::job_life
