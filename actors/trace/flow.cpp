#include "actors/trace/flow.hpp"

#include <algorithm>
#include <utility>

namespace muster::trace_flow {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// 416s in a row after which the flush ends: the two sides do not agree.
constexpr int misses_max = 10;

/// 412s to final updates that name no checksum.
constexpr int unchecked_max = 3;

constexpr milliseconds completion_min{1'000}; ///< first wait after a 202
constexpr milliseconds completion_max{3'000}; ///< unless the server names more

bool is_unwanted(const reply& x) {
  return x.status == 403 || x.job_status == "canceled"
         || x.job_status == "failed";
}

std::string reason_of(const reply& x) {
  if (x.job_status == "canceled" || x.job_status == "failed")
    return "GitLab says that the job is " + x.job_status;
  if (x.status == 403)
    return "GitLab forbids access to the job (403)";
  if (x.status == 404)
    return "GitLab does not know the job (404)";
  if (!x.failure.empty())
    return x.failure;
  return "GitLab answered " + std::to_string(x.status);
}

struct stepper {
  state& st;
  time_point now;
  std::vector<action> todo;

  // -- events

  void operator()(const grew&) {
    if (!std::exchange(st.pending, true))
      st.grew_at = now;
    proceed();
  }

  void operator()(const pressed&) {
    (*this)(grew{});
    auto renders = std::any_of(todo.begin(), todo.end(), [](const action& x) {
      return std::holds_alternative<send_patch>(x);
    });
    if (!renders)
      todo.emplace_back(render{});
  }

  void operator()(const timer& x) {
    if (x.version != st.timer_version)
      return;
    st.armed.reset();
    proceed();
  }

  void operator()(const finish& x) {
    if (st.at != phase::running && st.at != phase::aborted)
      return;
    st.at = phase::flushing;
    st.words_from = x.words_from;
    follow();
    st.pending = true;
    st.interval = milliseconds{0};
    st.failures = 0;
    if (!st.wished)
      st.not_before = now;
    proceed();
  }

  void operator()(const patch_answered& x) {
    if (!std::exchange(st.in_flight, false))
      return;
    st.size = std::max(st.size, x.size);
    if (x.sent > 0)
      take_reply(x);
    else if (x.size < 0)
      lose("the request was lost");
    else if (st.size > st.offset)
      lose("the log cannot be read back from its file");
    // What `grew` or `finish` said while the patch was under way stays true.
    if (st.size > st.offset)
      st.pending = true;
    else if (st.at == phase::flushing && !st.pending)
      end_flush();
    proceed();
  }

  void operator()(const update_answered& x) {
    if (!std::exchange(st.in_flight, false))
      return;
    hear(x.what);
    if (st.at == phase::updating)
      take_final(x.what);
    else if (st.at == phase::running)
      take_touch(x.what);
    proceed();
  }

  // -- answers

  /// What any answer may say besides.
  void hear(const reply& x) {
    if (x.interval > milliseconds{0})
      st.interval = std::min(x.interval, st.with.wait_max);
    if (x.job_status == "canceling" && st.at == phase::running
        && !std::exchange(st.cancel_told, true))
      todo.emplace_back(canceling{});
  }

  void take_reply(const patch_answered& x) {
    hear(x.what);
    if (st.at == phase::running && is_unwanted(x.what))
      abort(x.what);
    else if (is_unwanted(x.what))
      end_flush();
    else
      take_patch(x);
  }

  /// Nothing was asked, so nothing was answered.
  void lose(const char* why) {
    st.pending = true;
    fail({0, {}, {}, {}, why});
  }

  void take_patch(const patch_answered& x) {
    if (x.what.status == 202 || x.what.status == 200) {
      st.probing = false;
      st.offset += x.sent;
      st.misses = 0;
      st.silent_since = now;
      succeed();
    } else if (x.what.status == 416) {
      take_miss(x.next_offset - st.shift);
    } else if (x.what.status == 404 && st.at == phase::flushing) {
      end_flush();
    } else if (x.what.status == 413 && patch_max() > st.with.patch_min) {
      st.patch_max = std::max(patch_max() / 2, st.with.patch_min);
    } else {
      fail(x.what);
    }
  }

  /// The server wants another offset. Usually it has what it acknowledged in an
  /// answer that was lost; then the next patch can follow at once. More than
  /// there is cannot be ours: all of it again, as when nothing is named.
  void take_miss(int64_t wanted) {
    // Another manager may have made more of the log than is made here again.
    if (!st.probing && wanted > st.size)
      wanted = 0;
    auto is_ahead = wanted > st.offset;
    st.offset = std::max<int64_t>(wanted, 0);
    if (std::exchange(st.probing, false)) // as was to be expected
      return follow();
    if (++st.misses > misses_max && st.at == phase::flushing)
      return end_flush();
    if (!is_ahead || st.misses > 1)
      wait(std::min(backoff(st.misses), st.with.retry_max));
  }

  /// The job ended before its log was made here as far as GitLab has it: what
  /// is there stays, and our last words come behind it.
  void follow() {
    if (st.at != phase::flushing || st.probing || st.words_from < 0
        || st.offset <= st.words_from)
      return;
    st.shift = st.offset - st.words_from;
    st.offset = std::exchange(st.words_from, -1);
    st.resets = st.with.resets_max + 1; // what is here has not that checksum
    st.pending = true;
  }

  void take_touch(const reply& x) {
    if (is_unwanted(x) || x.status == 404)
      return abort(x);
    // With 412 the server dislikes the checksum so far, but it is there.
    if (x.status == 200 || x.status == 202 || x.status == 412)
      succeed();
    else
      fail(x);
  }

  void take_final(const reply& x) {
    if (is_unwanted(x) || x.status == 404)
      end(gone{reason_of(x)});
    else if (x.status == 200)
      end(confirmed{});
    else if (x.status == 202)
      take_acceptance();
    else if (x.status == 412)
      take_reset();
    else
      fail(x);
  }

  /// Accepted, not completed: GitLab is still putting the log together.
  void take_acceptance() {
    if (st.acceptances++ == 0)
      st.accepted_since = now;
    if (now - st.accepted_since >= st.with.accepted_max)
      return end(
        gave_up{"GitLab accepted the final state, but did not complete "
                "it in time"});
    succeed();
    auto most = std::max(completion_max, st.interval);
    wait(std::min(completion_min * st.acceptances, most));
  }

  /// The log there is not ours: all of it again. If that does not help, the
  /// result is worth more than the log.
  void take_reset() {
    ++st.resets;
    if (st.resets > st.with.resets_max + unchecked_max)
      return end(gave_up{"GitLab refuses the log (412)"});
    wait(backoff(st.resets));
    if (st.resets > st.with.resets_max)
      return;
    st.offset = 0;
    st.at = phase::flushing;
  }

  void succeed() {
    st.heard_at = now;
    st.failures = 0;
    st.wished = false;
    st.not_before = now;
  }

  void fail(const reply& x) {
    if (st.failures++ == 0)
      st.failing_since = now;
    st.failure = reason_of(x);
    auto is_final = st.at == phase::flushing || st.at == phase::updating;
    if (is_final && st.failures >= st.with.final_tries
        && now - st.failing_since >= st.with.final_span)
      return end(gave_up{st.failure});
    wait(backoff(st.failures));
    if (x.retry_after > milliseconds{0}) {
      wait(std::min(x.retry_after, st.with.wait_max));
      st.wished = true;
    }
  }

  /// Doubles, but stays within an eighth of the time that it has failed already
  /// (4 s at first): when the server is back, what waits goes out soon.
  milliseconds backoff(int count) const {
    auto delay = st.with.retry_min;
    for (auto i = 1; i < count && delay < st.with.retry_max; ++i)
      delay *= 2;
    auto failing = st.failures > 0 ? now - st.failing_since : seconds{0};
    auto share = std::chrono::duration_cast<milliseconds>(failing / 8);
    auto most = std::max<milliseconds>(seconds{4}, share);
    return std::min({delay, most, st.with.retry_max});
  }

  void wait(milliseconds how_long) {
    st.not_before = now + how_long;
    st.wished = false;
  }

  // -- what follows

  int64_t patch_max() const {
    return st.patch_max > 0 ? st.patch_max : st.with.patch_max;
  }

  void abort(const reply& x) {
    st.at = phase::aborted;
    todo.emplace_back(aborted{reason_of(x)});
  }

  void end_flush() {
    st.at = phase::updating;
    if (!std::exchange(st.flush_told, true))
      todo.emplace_back(flushed{});
  }

  void end(action how) {
    st.at = phase::done;
    todo.push_back(std::move(how));
  }

  /// Sends what is due, or arms the timer for it.
  void proceed() {
    if (st.in_flight || st.at == phase::aborted || st.at == phase::done)
      return;
    if (st.at == phase::running)
      return proceed_running();
    if (now < st.not_before)
      return arm(st.not_before);
    if (st.at == phase::flushing)
      patch();
    else
      update(st.resets > st.with.resets_max ? update_kind::final_unchecked
                                            : update_kind::final);
  }

  void proceed_running() {
    auto touch_due = std::max(st.heard_at + touch_gap(), st.not_before);
    auto patch_due = due_of_patch();
    // When patches fail for long, a touch tells whether the job is still there.
    auto asks_first
      = st.heard_at + std::max(st.with.touch_after, st.interval) <= now
        && now >= st.not_before && st.failures > 0 && !st.touched;
    if (st.pending && patch_due <= now && !asks_first)
      return patch();
    if (touch_due <= now)
      return update(update_kind::touch);
    arm(st.pending ? std::min(patch_due, touch_due) : touch_due);
  }

  milliseconds touch_gap() const {
    const auto& with = st.with;
    if (with.touch_by_interval)
      return std::clamp<milliseconds>(4 * st.interval, with.touch_after,
                                      minutes{30});
    if (st.offset == 0) // maybe not even accepted yet
      return std::max(with.touch_after, st.interval);
    auto silence
      = std::chrono::duration_cast<milliseconds>(st.heard_at - st.silent_since);
    return std::max(std::clamp(silence / 2, with.touch_first, with.touch_after),
                    st.interval);
  }

  /// Where the server names an interval, it is kept; else a full patch need not
  /// wait.
  time_point due_of_patch() const {
    auto gap = st.interval > milliseconds{0}        ? st.interval
               : st.size - st.offset >= patch_max() ? milliseconds{0}
                                                    : st.with.pace;
    return std::max(
      {st.grew_at + st.with.gather, st.patch_at + gap, st.not_before});
  }

  void patch() {
    st.in_flight = true;
    st.pending = false;
    st.touched = false;
    st.patch_at = now;
    todo.emplace_back(
      send_patch{st.offset, st.probing ? 1 : patch_max(), st.shift});
  }

  void update(update_kind kind) {
    st.in_flight = true;
    st.touched = kind == update_kind::touch;
    todo.emplace_back(send_update{kind});
  }

  /// A timer that fires earlier serves as well: it looks again.
  void arm(time_point at) {
    if (st.armed && *st.armed <= at)
      return;
    st.armed = at;
    todo.emplace_back(arm_timer{at, ++st.timer_version});
  }
};

} // namespace

milliseconds final_span(int tries) {
  milliseconds span{0};
  milliseconds delay = seconds{1};
  constexpr milliseconds delay_max = minutes{60};
  constexpr milliseconds span_max = std::chrono::hours{24};
  for (auto i = 0; i < tries && span < span_max; ++i) {
    span += delay;
    delay = std::min(delay * 2, delay_max);
  }
  return std::min(span * 2, span_max);
}

state begin(const settings& with, time_point now) {
  state st;
  st.with = with;
  st.probing = with.probes;
  // Nothing was sent yet, and nothing has to wait for what was.
  st.patch_at = now - st.with.wait_max;
  st.heard_at = now;
  st.silent_since = now;
  st.not_before = now;
  return st;
}

std::vector<action> start(state& st, time_point now) {
  stepper stepping{st, now, {}};
  stepping.proceed();
  return std::move(stepping.todo);
}

std::vector<action> step(state& st, const event& what, time_point now) {
  if (st.at == phase::done)
    return {};
  stepper stepping{st, now, {}};
  std::visit(stepping, what);
  return std::move(stepping.todo);
}

} // namespace muster::trace_flow
