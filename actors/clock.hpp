#pragma once

#include <chrono>

namespace muster {

/// Time as decisions see it: CAF's actor clock counts on this one.
using time_point = std::chrono::steady_clock::time_point;

} // namespace muster
