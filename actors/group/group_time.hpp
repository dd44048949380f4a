#pragma once

#include <chrono>

namespace muster {

/// The time of a group's decisions: that of the message being handled.
using group_time = std::chrono::steady_clock::time_point;

/// Later than anything that is ever waited for.
constexpr group_time never = group_time::max();

/// Returns the moment `wait` after `from`; `never` if it is too far to be told.
/// Configured durations reach that far.
inline group_time after(group_time from, std::chrono::milliseconds wait) {
  auto room = from.time_since_epoch().count() < 0
                ? never.time_since_epoch()
                : never.time_since_epoch() - from.time_since_epoch();
  if (wait >= std::chrono::duration_cast<std::chrono::milliseconds>(room))
    return never;
  return from + wait;
}

} // namespace muster
