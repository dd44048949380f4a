#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace muster {

enum class series_type : uint8_t { counter, gauge, histogram };

/// A name under which something is counted.
struct series_info {
  std::string_view name;
  series_type type = series_type::gauge;
  std::string_view labels; ///< with commas; empty: none
  std::string_view help;
  const std::vector<double>* buckets = nullptr; ///< of a histogram
};

/// All that `/metrics` may show, in the order of docs/metrics.md.
///
/// Source: reference/cli, section 6, and reference/autoscaling, section 17; the
/// names of `muster_` are our own.
const std::vector<series_info>& known_series();

/// @pre it is one of `known_series`
const series_info& series_named(std::string_view name);

} // namespace muster
