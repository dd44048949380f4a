#include "tools/coordinator/store.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How often a parked request looks whether its client is still there.
constexpr milliseconds look_every{200};
/// Final updates with a wrong checksum that are answered with 412; a further
/// one is taken, so that a broken client does not send its log for ever.
constexpr int mismatches_max = 3;
/// Requests for a job that was cancelled or failed here: the client learns of
/// it by an answer, sends its last update, and has no more to say.
constexpr int after_end_max = 6;
constexpr uint64_t patch_size_max = uint64_t{1} << 20; ///< [bytes]

constexpr std::array always_allowed{"script_failure", "runner_system_failure",
                                    "job_execution_timeout", "unknown_failure"};

bool reason_allowed(const job_template& what, const std::string& reason) {
  const auto& more = what.failure_reasons;
  return std::find(always_allowed.begin(), always_allowed.end(), reason)
           != always_allowed.end()
         || std::find(more.begin(), more.end(), reason) != more.end();
}

} // namespace

store::store(store_options options, violation_log& violations)
  : options_(std::move(options)),
    violations_(violations),
    runner_tokens_(options_.runner_tokens) {
}

job_reply store::request_job(const job_question& ask,
                             const std::function<bool()>& connected) {
  if (!knows_runner(ask.token)) {
    violations_.add("runner-token", 0,
                    "a job was requested with an unknown "
                    "runner token");
    return {403, std::nullopt, {}};
  }
  lock guard{mutex_};
  auto until = steady_clock::now() + options_.long_poll;
  bool may_park = !ask.last_update.empty() && ask.last_update == cursor()
                  && options_.long_poll.count() > 0;
  for (;;) {
    requeue_unaccepted();
    if (auto* x = closed_ ? nullptr : take(ask)) {
      auto view = view_of(*x, false);
      add_dependencies(view);
      return {201, std::move(view), {}};
    }
    if (!may_park || closed_ || steady_clock::now() >= until)
      return {204, std::nullopt, cursor()};
    if (!wait_for_queue(guard, queue_version_, until, connected))
      return {204, std::nullopt, cursor()};
    if (options_.long_poll_only_wakes && ask.last_update != cursor())
      return {204, std::nullopt, cursor()};
  }
}

/// Waits until the queue changed or the deadline; false if the client went
/// away.
bool store::wait_for_queue(lock& guard, uint64_t seen, deadline until,
                           const std::function<bool()>& connected) {
  ++parked_;
  bool there = true;
  while (there && !closed_ && queue_version_ == seen
         && steady_clock::now() < until) {
    auto next_look = std::min(until, steady_clock::now() + look_every);
    queue_changed_.wait_until(guard, next_look);
    requeue_unaccepted();
    there = connected();
  }
  --parked_;
  return there;
}

store::record* store::take(const job_question& ask) {
  auto fits = [&](int64_t id) {
    const auto& wanted = jobs_.at(id).view.what->runner_token;
    return wanted.empty() || wanted == ask.token;
  };
  auto at = std::find_if(queue_.begin(), queue_.end(), fits);
  if (at == queue_.end())
    return nullptr;
  auto& x = jobs_.at(*at);
  queue_.erase(at);
  x.view.handed_out_us = now_us();
  x.view.runner = ask.token;
  x.view.system_id = ask.system_id;
  unaccepted_.push_back(x.view.id);
  changed();
  return &x;
}

/// Queues jobs again whose client never accepted them: it may have died, or the
/// answer was lost. The old token is void then.
void store::requeue_unaccepted() {
  auto limit
    = now_us() - std::chrono::microseconds{options_.accept_within}.count();
  while (!unaccepted_.empty()) {
    auto* x = find(unaccepted_.front());
    bool open = x != nullptr && x->view.state == job_state::pending;
    if (open && x->view.handed_out_us > limit)
      return;
    unaccepted_.pop_front();
    if (!open)
      continue;
    by_token_.erase(x->view.token);
    x->view.token = fresh_token("glcbt-");
    by_token_[x->view.token] = x->view.id;
    x->view.handed_out_us = 0;
    x->acceptance_tried = false;
    queue(*x);
  }
}

/// Checks what holds for every request of a job; the answer if it is refused.
std::optional<job_answer> store::refusal(record* x, int64_t id,
                                         const std::string& token,
                                         const char* what) {
  if (x == nullptr) {
    violations_.add("unknown-job", id,
                    fmt::format("{} for a job that does not exist", what));
    return job_answer{404, {}, 0, "404 Not found"};
  }
  if (token != x->view.token) {
    if (!x->excused)
      violations_.add("job-token", id,
                      fmt::format("{} with a wrong job token", what));
    return job_answer{403, {}, 0, "403 Forbidden"};
  }
  if (x->view.handed_out_us == 0) {
    violations_.add("not-handed-out", id,
                    fmt::format("{} for a job that nobody was given", what));
    return job_answer{403, {}, 0, "403 Forbidden"};
  }
  if (!ended(x->view.state))
    return std::nullopt;
  ++x->after_end;
  bool by_client = !x->view.reported.empty();
  if (!x->excused && (by_client || x->after_end > after_end_max))
    violations_.add("after-final-state", id,
                    fmt::format("{} after the job had ended ({})", what,
                                to_string(x->view.state)));
  return job_answer{403, std::string{to_string(x->view.state)}, 0,
                    "403 Forbidden - Job is not processing on runner"};
}

job_answer store::update(const job_update& what) {
  std::lock_guard guard{mutex_};
  auto* x = find(what.id);
  if (auto refused = refusal(x, what.id, what.token, "an update"))
    return *refused;
  if (what.state == "running")
    return accept_or_touch(*x, what);
  if (what.state == "success" || what.state == "failed")
    return finish(*x, what);
  violations_.add("state", what.id,
                  fmt::format("an update with state \"{}\"", what.state));
  return {400, {}, 0, "400 state does not have a valid value"};
}

job_answer store::accept_or_touch(record& x, const job_update& what) {
  auto& view = x.view;
  if (view.accepted_us == 0) {
    view.accepted_us = now_us();
    if (view.state == job_state::pending)
      view.state = job_state::running;
    if (what.has_output)
      violations_.add("acceptance", view.id,
                      "the acceptance names a size or checksum of the trace");
    changed();
  } else {
    ++view.touches;
    check_touch(x, what);
  }
  x.acceptance_tried = true;
  return {200, std::string{to_string(view.state)}, x.log.size(), {}};
}

void store::check_touch(const record& x, const job_update& what) {
  auto id = x.view.id;
  if (x.excused)
    return;
  if (!what.has_output && x.log.size() > 0)
    violations_.add("acceptance", id,
                    "accepted twice, or a touch that names no checksum");
  else if (what.size < x.log.size())
    violations_.add("touch", id,
                    fmt::format("a touch names {} bytes of {} received",
                                what.size, x.log.size()));
  else if (!what.checksum.empty() && what.size == x.log.size()
           && what.checksum != checksum_text(x.log.crc()))
    violations_.add("checksum", id, "a touch with a wrong checksum");
}

job_answer store::finish(record& x, const job_update& what) {
  auto& view = x.view;
  auto status = std::string{to_string(view.state)};
  bool right
    = what.size == x.log.size()
      && (what.size == 0 || what.checksum == checksum_text(x.log.crc()));
  if (!what.has_output && x.log.size() > 0) {
    // GitLab checks nothing then. A manager that did not run the job itself,
    // after a restart, cannot name what it has not seen.
    if (!x.excused && what.failure_reason != "runner_system_failure")
      violations_.add("trace-size", view.id,
                      "the final update names no size and no checksum");
  } else if (!right) {
    violations_.add(what.size == x.log.size() ? "checksum" : "trace-size",
                    view.id,
                    fmt::format("the final update names {} bytes and {}, "
                                "received were {} bytes and {}",
                                what.size, what.checksum, x.log.size(),
                                checksum_text(x.log.crc())));
    if (++x.mismatches <= mismatches_max) {
      trace_kept_ -= x.log.kept();
      x.log.clear();
      changed();
      return {412, status, 0, "412 Precondition Failed"};
    }
  }
  check_final(x, what);
  view.reported = what.state;
  view.exit_code = what.exit_code;
  view.failure_reason = what.failure_reason;
  if (view.state == job_state::canceling)
    end(x, job_state::canceled);
  else
    end(x, what.state == "success" ? job_state::success : job_state::failed);
  return {200, std::string{to_string(view.state)}, x.log.size(), {}};
}

void store::check_final(const record& x, const job_update& what) {
  auto id = x.view.id;
  if (what.state == "success"
      && (what.exit_code != 0 || !what.failure_reason.empty()))
    violations_.add("final-update", id,
                    "success with an exit code or a failure reason");
  if (!what.failure_reason.empty()
      && !reason_allowed(*x.view.what, what.failure_reason))
    violations_.add("failure-reason", id,
                    fmt::format("failure reason \"{}\" is not one that the job "
                                "allows",
                                what.failure_reason));
  if (!x.acceptance_tried && what.failure_reason != "runner_system_failure")
    violations_.add("acceptance", id, "ended without having been accepted");
}

job_answer store::patch(int64_t id, const std::string& token,
                        std::optional<byte_range> range, std::string&& bytes) {
  auto crc = crc32_of(bytes); // before the lock: it is the costly part
  std::lock_guard guard{mutex_};
  auto* x = find(id);
  if (auto refused = refusal(x, id, token, "a trace patch"))
    return *refused;
  auto status = std::string{to_string(x->view.state)};
  auto size = x->log.size();
  if (!range || bytes.empty()
      || range->last - range->first != bytes.size() - 1) {
    violations_.add("content-range", id,
                    fmt::format("a patch of {} bytes with a missing or wrong "
                                "Content-Range",
                                bytes.size()));
    return {400, status, size, "400 Missing or wrong header Content-Range"};
  }
  if (!x->acceptance_tried)
    violations_.add("acceptance", id, "a trace patch before the acceptance");
  if (bytes.size() > patch_size_max)
    violations_.add("patch-size", id,
                    fmt::format("a patch of {} bytes", bytes.size()));
  if (range->first != size) {
    // A manager that goes on with the job of another asks so how much is there.
    bool asks = range->first == 0 && range->last == 0;
    if (!x->excused && !asks)
      violations_.add(range->first > size ? "trace-gap" : "trace-overlap", id,
                      fmt::format("a patch from {} to {}, received were {} "
                                  "bytes",
                                  range->first, range->last, size));
    // What ends just where the trace ends is a patch sent again: GitLab says
    // that all is well.
    bool again = range->last + 1 == size;
    return {again ? 202 : 416, status, size,
            again ? "" : "416 Range Not Satisfiable"};
  }
  if (trace_kept_ + bytes.size() > options_.trace_keep_total)
    return {413, status, size, "413 all traces together are too large"};
  trace_kept_ += x->log.append(std::move(bytes), crc, now_us());
  changed();
  return {202, status, x->log.size(), {}};
}

void store::excuse(int64_t id) {
  std::lock_guard guard{mutex_};
  if (auto* x = find(id)) {
    x->excused = true;
    x->acceptance_tried = true; // an acceptance that failed lets the job run
  }
}

void store::enter(int64_t id) {
  std::lock_guard guard{mutex_};
  auto* x = find(id);
  if (x != nullptr && ++x->busy > 1 && !x->excused)
    violations_.add("concurrent-requests", id,
                    "two requests for one job at the same time");
}

void store::leave(int64_t id) {
  std::lock_guard guard{mutex_};
  auto* x = find(id);
  if (x != nullptr && x->busy > 0)
    --x->busy;
}

} // namespace muster::gitlab
