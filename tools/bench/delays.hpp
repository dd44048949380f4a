#pragma once

#include "tools/coordinator/trace_log.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace muster::bench {

/// The time [Unix, ns] that a job printed behind a word; nothing if it did not.
/// The line of the script itself, shown in the log, has no number there.
std::optional<int64_t> printed_time(std::string_view trace,
                                    std::string_view word);

/// A line with the time at which it was printed.
struct stamp {
  int64_t printed_ns = 0; ///< Unix time
  uint64_t end = 0;       ///< offset behind the time, in the log
};

/// Returns all times that a job printed behind a word.
std::vector<stamp> stamps_of(std::string_view trace, std::string_view word);

/// Returns for each stamp how long after it was printed GitLab had it [ms]; 0
/// or more, in order. A stamp that never came has none.
std::vector<double> delays_of(const std::vector<stamp>& stamps,
                              const std::vector<gitlab::trace_arrival>& pieces);

} // namespace muster::bench
