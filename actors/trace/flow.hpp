#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// When a job's log is sent, and what GitLab's answers mean for it, until the
/// job's final state is confirmed (reference/job-api, sections 4 and 5).
namespace muster::trace_flow {

using time_point = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

/// How long final updates are tried at least, where GitLab Runner's
/// `job_status_final_update_retry_limit` counts tries: twice what its own tries
/// would take (1 s, doubling to 60 min, between them), so that the default of
/// 10 outlasts half an hour without a server.
milliseconds final_span(int tries);

struct settings {
  /// Gathers the first lines after silence: a line is seldom alone.
  milliseconds gather{100};
  /// Between patches, where the server names no interval.
  milliseconds pace{500};
  /// A job that has fallen silent is touched soon, so that it hears of
  /// its cancelling; then ever more rarely, so that jobs that are silent for
  /// long cost no more requests than with GitLab Runner.
  milliseconds touch_first{5'000};
  milliseconds touch_after{30'000}; ///< the keep-alive
  /// FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL: four of the server's intervals
  /// lie between touches, 30 s at least and 30 min at most.
  bool touch_by_interval = false;
  milliseconds retry_min{250}; ///< doubles with each failure
  milliseconds retry_max{30'000};
  milliseconds wait_max{900'000}; ///< the server's wishes are obeyed up to this
  int64_t patch_max = 1 << 20;    ///< [bytes]
  int64_t patch_min = 16 << 10;   ///< not halved below this after a 413 [bytes]
  int final_tries = 10; ///< job_status_final_update_retry_limit, at least 1
  /// Failures end the final sequence only when the tries are used up and this
  /// has passed: tries are far closer together than GitLab Runner's.
  milliseconds final_span = trace_flow::final_span(10);
  int resets_max = 10; ///< 412: times that the whole log is sent again
  milliseconds accepted_max{900'000}; ///< 202: how long to ask for completion
  /// Another manager has sent some of the log: the first patch is one byte, and
  /// the answer tells how much GitLab has.
  bool probes = false;
};

enum class phase : uint8_t {
  running,
  aborted,  ///< GitLab wants no more of this job: silence until `finish`
  flushing, ///< finished; the rest of the log goes out
  updating, ///< the final state does
  done,
};

enum class update_kind : uint8_t {
  touch, ///< state=running, with size and checksum of the log so far
  final,
  final_unchecked, ///< without size and checksum: the log cannot be repaired
};

// -- events -------------------------------------------------------------------

/// The log has something new (`trace_hooks::grew`).
struct grew {};

/// The raw queue is filling (`trace_hooks::pressed`).
struct pressed {};

struct timer {
  uint64_t version = 0; ///< of the `arm_timer`
};

/// What every answer of the job API tells.
struct reply {
  int status = 0;           ///< HTTP; 0: no answer at all
  std::string job_status;   ///< header `Job-Status`; may be empty
  milliseconds interval{0}; ///< `X-GitLab-Trace-Update-Interval`; 0: not named
  milliseconds retry_after{0}; ///< `RateLimit-ResetTime` or `Retry-After`
  std::string failure;         ///< for people, where the status does not tell
};

/// Answers `send_patch`. With nothing to send, no request is made: `sent` is 0
/// and the reply is ignored.
struct patch_answered {
  reply what;
  int64_t sent = 0; ///< that the request held, whatever became of it [bytes]
  int64_t next_offset = 0; ///< of header `Range`; matters with a 416 [bytes]
  /// Of the log as rendered for this patch; negative: not known, since the
  /// request was lost before it was made. [bytes]
  int64_t size = -1;
};

struct update_answered {
  reply what;
};

/// The job is over: the log was ended (`trace_buffer::finish`), the final state
/// is known. Once.
struct finish {
  /// With `probes`: what is here from this offset on is sent behind whatever
  /// GitLab has, if that is more than was made here again; -1: all was [bytes]
  int64_t words_from = -1;
};

using event
  = std::variant<grew, pressed, timer, patch_answered, update_answered, finish>;

// -- actions ------------------------------------------------------------------

/// Render, and send what there is from `offset` on, at most `length_max` bytes.
/// Answered by `patch_answered`.
struct send_patch {
  int64_t offset = 0; ///< here
  int64_t length_max = 0;
  int64_t shift = 0; ///< there, less `offset`
};

/// Answered by `update_answered`.
struct send_update {
  update_kind kind = update_kind::touch;
};

/// Render only: the queue must not wait for the next patch.
struct render {};

/// Send `timer` at that time. Earlier versions need not come any more.
struct arm_timer {
  time_point at;
  uint64_t version = 0;
};

/// The user cancelled; the job may still run its after_script. Once.
struct canceling {};

/// GitLab wants no more of this job: end it at once. Once.
struct aborted {
  std::string reason;
};

/// The whole log is with GitLab, or it takes no more of it. Once for a
/// `finish`.
struct flushed {};

/// The end: GitLab has the final state.
struct confirmed {};

/// The end: GitLab does not know or want the job any more.
struct gone {
  std::string reason;
};

/// The end: the final state could not be delivered.
struct gave_up {
  std::string reason;
};

using action
  = std::variant<send_patch, send_update, render, arm_timer, canceling, aborted,
                 flushed, confirmed, gone, gave_up>;

// -- state --------------------------------------------------------------------

struct state {
  settings with;
  phase at = phase::running;
  bool probing = false;     ///< how much GitLab has is not known yet
  int64_t words_from = -1;  ///< see `finish`
  int64_t shift = 0;        ///< how much further GitLab's log is [bytes]
  bool in_flight = false;   ///< one request at a time for a job
  bool pending = false;     ///< there may be bytes to send
  int64_t offset = 0;       ///< that GitLab has acknowledged [bytes]
  int64_t size = 0;         ///< of the log when it was last rendered [bytes]
  int64_t patch_max = 0;    ///< after 413s; 0: as in the settings [bytes]
  milliseconds interval{0}; ///< named by the server; 0: none
  time_point grew_at;       ///< first of what waits
  time_point patch_at;      ///< when the last patch was sent
  time_point heard_at;      ///< last success: creation, patch or touch
  time_point silent_since;  ///< creation, or last success of a patch
  time_point not_before;    ///< the next request, by backoff or by wish
  bool wished = false;      ///< `not_before` is the server's wish
  bool touched = false;     ///< the last request was a touch
  bool cancel_told = false;
  bool flush_told = false;
  int failures = 0;                ///< in a row
  time_point failing_since;        ///< when `failures` was 0 last
  int misses = 0;                  ///< 416s in a row
  int resets = 0;                  ///< 412s
  int acceptances = 0;             ///< 202s to the final update
  time_point accepted_since;       ///< the first of them
  std::string failure;             ///< the last
  std::optional<time_point> armed; ///< when the timer in force fires
  uint64_t timer_version = 0;
};

/// Begins the flow of a job that was accepted at `now`.
state begin(const settings& with, time_point now);

/// Begins with a timer, so that a silent job is kept alive.
std::vector<action> start(state& st, time_point now);

/// Moves the flow on. Answers that nobody waits for, outdated timers and
/// anything after the end change nothing.
std::vector<action> step(state& st, const event& what, time_point now);

} // namespace muster::trace_flow
