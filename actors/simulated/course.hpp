#pragma once

#include "actors/clock.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace muster::simulated {

using std::chrono::milliseconds;

/// Calls to the provider.
enum class call : uint8_t {
  list,
  increase,
  decrease,
  connect_info,
  heartbeat,
};
inline constexpr size_t call_kinds = 5;

/// A job that GitLab will have.
struct planned_job {
  milliseconds queued{0}; ///< after the beginning
  milliseconds duration{0};
};

enum class job_fate : uint8_t {
  queued,    ///< GitLab has it
  waiting,   ///< a runner has it, it has no slot yet
  running,   ///< it has one
  done,      ///< it ended by itself
  lost,      ///< its instance was
  timed_out, ///< it got no slot in time
  killed,    ///< its actor was
};

/// How a job went on.
struct job_course {
  time_point queued;
  time_point began; ///< it got its slot; set from `running` on
  time_point ended; ///< set when it is over
  job_fate fate = job_fate::queued;
};

} // namespace muster::simulated
