#pragma once

#include "actors/clock.hpp"

#include <chrono>
#include <cstdint>

namespace muster {

struct pace_options {
  std::chrono::milliseconds check_interval{3'000};
  bool strict = false; ///< strict_check_interval
  int request_concurrency = 1;
  bool adaptive = true; ///< FF_USE_ADAPTIVE_REQUEST_CONCURRENCY
  int unhealthy_limit = 3;
  std::chrono::milliseconds unhealthy_interval{3'600'000};
};

/// How GitLab answered a request for a job.
enum class poll_outcome : uint8_t {
  job,
  none,
  forbidden,    ///< 403: the only answer that makes a runner unhealthy
  server_error, ///< 5xx, 408, 429: it asks for patience
  failed,       ///< no answer, or one that cannot be used
};

/// When a runner asks GitLab for a job next. A value.
///
/// Right after a job GitLab is asked often, since jobs come in groups, and ever
/// more rarely then: the pause is a tenth of the time since the last job, at
/// least 100 ms and at most `check_interval`. With `strict` it is always
/// `check_interval`. A server that parks requests (long poll) is asked again at
/// once. An overloaded one that names no time is asked again after 100 ms, 200
/// ms, 400 ms and 800 ms, and only then after `check_interval`, doubling.
///
/// Source: reference/job-api, sections 3.4 to 3.6.
class pace {
public:
  explicit pace(const pace_options& with, time_point now);

  /// Other settings from now on, and a runner that was refused too often begins
  /// anew; pauses that GitLab wished for go on.
  void set(const pace_options& with, time_point now);

  /// A request is sent.
  void begun(time_point now);

  /// It was answered. `retry_after` is what GitLab wished for, or 0.
  void answered(poll_outcome how, time_point begun_at,
                std::chrono::milliseconds retry_after, time_point now);

  /// A job ended: its pipeline may have gone on.
  void job_ended(time_point now);

  /// The earliest moment for the next request.
  time_point next() const {
    return next_;
  }

  /// Requests that may be under way at once.
  int requests_max() const;

  /// Whether the runner may ask: not for `unhealthy_interval` after it was
  /// refused too often. Then it begins anew.
  bool is_healthy(time_point now);

private:
  std::chrono::milliseconds interval(time_point now) const;

  pace_options with_;
  time_point next_;
  time_point active_; ///< the last job came or ended
  time_point healthy_;
  int unhealthy_ = 0; ///< results in a row
  int failures_ = 0;  ///< of the server, in a row
  double adaptive_ = 1;
};

} // namespace muster
