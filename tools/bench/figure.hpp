#pragma once

#include <optional>
#include <string>
#include <vector>

namespace muster::bench {

/// What a figure is called, and what it is held against.
struct figure_info {
  std::string name;  ///< `start p50`
  std::string unit;  ///< `ms`, `MiB`, `per minute`
  double rank = 0.5; ///< of the values: 0.5 is the median, 0.95 the p95
  std::optional<double> goal;  ///< at most this; none: only told
  std::string peer;            ///< GitLab Runner's, as measured; may be empty
  bool more_is_better = false; ///< the goal is at least this
};

/// A figure with its values, apart for each run of its scenario.
struct figure {
  figure_info info;
  std::vector<std::vector<double>> runs;
};

/// What of a figure is told.
struct summary {
  double value = 0;     ///< of the values of all runs
  double lowest = 0;    ///< of any run
  double highest = 0;   ///< of any run
  size_t values = 0;    ///< how many there are; 0: nothing was measured
  bool reached = false; ///< the goal, or there is none
};

/// Returns the value below which a part `rank` of the values lies (nearest
/// rank). Pure.
///
/// @pre there are values, 0 <= rank <= 1
double value_at(std::vector<double> values, double rank);

summary summary_of(const figure& what);

/// What came of a scenario on one kind of host.
struct outcome {
  std::string scenario;
  std::string shell_startup; ///< `none` or `bashrc`
  std::vector<figure> figures;
  std::vector<std::string> problems; ///< each makes the figures worthless
};

} // namespace muster::bench
