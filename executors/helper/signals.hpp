#pragma once

#include "executors/helper/unique_fd.hpp"

#include <chrono>
#include <initializer_list>
#include <vector>

namespace muster::helper {

/// Blocks these signals and makes a descriptor that becomes readable with them.
unique_fd watch_signals(std::initializer_list<int> signals);

/// Returns the signals that came since the last call.
std::vector<int> take_signals(const unique_fd& watch);

/// Returns a time-out for `poll`, rounded up so that a deadline has passed when
/// the call returns; never negative, a minute at most.
int poll_timeout(std::chrono::nanoseconds left);

} // namespace muster::helper
