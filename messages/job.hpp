#pragma once

#include "messages/dialer.hpp"
#include "messages/group.hpp"
#include "messages/journal.hpp"
#include "messages/plan.hpp"
#include "messages/trace.hpp"

#include <caf/error.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>

namespace muster {

/// Why a job is to end.
enum class cancel_reason : uint8_t {
  canceled,            ///< by a person, in GitLab
  interrupted_by_term, ///< this manager was told to stop
  interrupted_by_int,
};

struct cancel_job {
  cancel_reason reason = cancel_reason::canceled;
  bool graceful = true; ///< after_script still runs
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cancel_job& x) {
  return f(caf::meta::type_name("cancel_job"), x.reason, x.graceful);
}

/// The runner's group failed and there is another: jobs claim their slots.
struct group_changed {
  peer group;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, group_changed& x) {
  return f(caf::meta::type_name("group_changed"), x.group);
}

/// A moment that a job waits for.
struct job_timer {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_timer& x) {
  return f(caf::meta::type_name("job_timer"), x.version);
}

// -- what the stream tells a job (inputs) -------------------------------------

/// The helper took the plan, or the job was attached to.
struct plan_accepted {
  uint64_t stream = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, plan_accepted& x) {
  return f(caf::meta::type_name("plan_accepted"), x.stream);
}

/// The whole plan has been carried out; all output is in the trace buffer.
struct plan_ended {
  uint64_t stream = 0;
  plan_outcome outcome = plan_outcome::success;
  std::string stage; ///< that decided the outcome
  int32_t exit_code = 0;
  uint64_t dropped_bytes = 0;
  std::string text;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, plan_ended& x) {
  return f(caf::meta::type_name("plan_ended"), x.stream, x.outcome, x.stage,
           x.exit_code, x.dropped_bytes, x.text);
}

/// The stream ended before the plan did.
struct stream_lost {
  uint64_t stream = 0;
  uint64_t next_record = 0; ///< to go on from
  bool refused = false;     ///< by the helper: for good
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, stream_lost& x) {
  return f(caf::meta::type_name("stream_lost"), x.stream, x.next_record,
           x.refused, x.why);
}

// -- what a script tells, where there is no helper (inputs)
// --------------------

/// A script's exit code is known, or its channel was closed.
struct script_ended {
  uint64_t script = 0;
  bool has_code = false;
  int32_t exit_code = 0;
  bool is_closed = false;
  caf::error why; ///< of the end of the channel
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, script_ended& x) {
  return f(caf::meta::type_name("script_ended"), x.script, x.has_code,
           x.exit_code, x.is_closed, x.why);
}

/// The job's processes were killed, or could not be.
struct processes_swept {
  uint64_t number = 0; ///< of the sweep
  bool clean = false;
  std::string text; ///< why not
  caf::error why;   ///< not done
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, processes_swept& x) {
  return f(caf::meta::type_name("processes_swept"), x.number, x.clean, x.text,
           x.why);
}

/// A moment that a plan waits for.
struct plan_timer {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, plan_timer& x) {
  return f(caf::meta::type_name("plan_timer"), x.version);
}

using script_listener_actor = caf::typed_actor<caf::reacts_to<script_ended>,
                                               caf::reacts_to<processes_swept>>;

/// The edge's view of a job.
using stream_listener_actor
  = caf::typed_actor<caf::reacts_to<plan_accepted>, caf::reacts_to<plan_ended>,
                     caf::reacts_to<stream_lost>>;

using job_actor = stream_listener_actor::extend<
  caf::reacts_to<cancel_job>, caf::reacts_to<group_changed>,
  caf::reacts_to<coordinator_changed>, caf::reacts_to<job_timer>,
  caf::reacts_to<acquired>, caf::reacts_to<acquire_waits>,
  caf::reacts_to<stream_route>, caf::reacts_to<update_result>,
  caf::reacts_to<trace_flushed>, caf::reacts_to<job_ordered>,
  caf::reacts_to<job_start_written>, caf::reacts_to<script_ended>,
  caf::reacts_to<processes_swept>, caf::reacts_to<plan_timer>>;

/// A job's last message: its result is confirmed, unwanted or given up.
struct job_ended {
  acquisition_key key;
  int64_t job = 0;
  bool success = false;
  std::string failure_reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_ended& x) {
  return f(caf::meta::type_name("job_ended"), x.key, x.job, x.success,
           x.failure_reason);
}

/// What a job says to its runner.
using job_parent_actor = caf::typed_actor<caf::reacts_to<job_ended>>;

} // namespace muster
