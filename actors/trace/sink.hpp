#pragma once

#include <string_view>

namespace muster {

/// What stands in a trace for bytes that must not be seen.
constexpr std::string_view masked_text = "[MASKED]";

/// Receives what a filter of a trace lets through. Filters are chained: each
/// is a sink and writes to the next one.
class trace_sink {
public:
  virtual ~trace_sink() = default;

  /// Never empty. The bytes are valid during the call only.
  virtual void text(std::string_view bytes) = 0;

  /// Hidden bytes stood here. Kept apart from text, so that a later filter does
  /// not take a mask for output of the job.
  virtual void mask() = 0;
};

} // namespace muster
