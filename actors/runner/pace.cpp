#include "actors/runner/pace.hpp"

#include <algorithm>
#include <cmath>

namespace muster {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// A server that is away is found back within this.
constexpr milliseconds backoff_max = 30s;
/// Failures in a row for which only a wish counts. One in five requests may be
/// refused so for long: waiting more than was wished for would starve jobs.
constexpr int wishes_max = 3;
/// A request that an overloaded server refuses is made again in quick
/// succession at first, as GitLab Runner does below each of its ticks
/// (reference/job-api, section 1).
constexpr int quick_tries = 4;
constexpr milliseconds quick_pause = 100ms; ///< doubled each time
/// Beyond the manager's own days: a wish that is no wish.
constexpr milliseconds retry_after_max = 1h;

} // namespace

pace::pace(const pace_options& with, time_point now)
  : with_(with),
    next_(now),
    active_(now),
    healthy_(now) {
}

milliseconds pace::interval(time_point now) const {
  if (with_.strict)
    return with_.check_interval;
  auto since = std::chrono::duration_cast<milliseconds>(now - active_);
  return std::clamp<milliseconds>(
    since / 10, std::min(100ms, with_.check_interval), with_.check_interval);
}

void pace::set(const pace_options& with, time_point now) {
  with_ = with;
  healthy_ = now;
  unhealthy_ = 0;
  if (failures_ == 0)
    next_ = std::min(next_, now + interval(now));
}

void pace::begun(time_point now) {
  next_ = now + interval(now);
}

void pace::answered(poll_outcome how, time_point begun_at,
                    milliseconds retry_after, time_point now) {
  auto healthy = how != poll_outcome::forbidden;
  unhealthy_ = healthy ? 0 : unhealthy_ + 1;
  if (healthy)
    healthy_ = now;
  auto served = how == poll_outcome::job || how == poll_outcome::none;
  failures_ = served ? 0 : failures_ + 1;
  if (how == poll_outcome::job) {
    active_ = now;
    next_ = with_.strict ? begun_at + with_.check_interval : now;
    adaptive_ *= 1.1;
  } else {
    next_ = std::max(now, begun_at + interval(now));
    adaptive_ *= how == poll_outcome::server_error ? 0.5 : 0.95;
  }
  adaptive_
    = std::clamp(adaptive_, 1.0,
                 static_cast<double>(std::max(1, with_.request_concurrency)));
  // A server that names a time is taken at its word, but not without end.
  auto in_a_row = retry_after > 0ms ? failures_ - wishes_max : failures_;
  auto quick
    = how == poll_outcome::server_error && retry_after == 0ms && !with_.strict;
  if (quick && failures_ <= quick_tries) {
    next_
      = now
        + std::min(quick_pause * (1 << (failures_ - 1)), with_.check_interval);
  } else if (in_a_row > 0) {
    auto doubled = in_a_row - 1 - (quick ? quick_tries : 0);
    auto pause = with_.check_interval * (1 << std::clamp(doubled, 0, 6));
    next_ = now + std::min(pause, std::max(backoff_max, with_.check_interval));
  }
  if (retry_after > 0ms)
    next_ = std::max(next_, now + std::min(retry_after, retry_after_max));
}

void pace::job_ended(time_point now) {
  active_ = now;
  if (!with_.strict && failures_ == 0)
    next_ = std::min(next_, now);
}

int pace::requests_max() const {
  auto most = std::max(1, with_.request_concurrency);
  if (!with_.adaptive)
    return most;
  return std::clamp(static_cast<int>(std::ceil(adaptive_)), 1, most);
}

bool pace::is_healthy(time_point now) {
  if (unhealthy_ < with_.unhealthy_limit)
    return true;
  if (now - healthy_ <= with_.unhealthy_interval)
    return false;
  unhealthy_ = 0;
  healthy_ = now;
  return true;
}

} // namespace muster
