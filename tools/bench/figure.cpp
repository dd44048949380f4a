#include "tools/bench/figure.hpp"

#include <algorithm>
#include <cmath>

namespace muster::bench {

double value_at(std::vector<double> values, double rank) {
  auto count = static_cast<double>(values.size());
  auto index = static_cast<size_t>(std::max(std::ceil(rank * count) - 1, 0.0));
  auto at = values.begin() + static_cast<std::ptrdiff_t>(index);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

summary summary_of(const figure& what) {
  summary out;
  std::vector<double> all;
  std::vector<double> of_runs;
  for (const auto& run : what.runs) {
    all.insert(all.end(), run.begin(), run.end());
    if (!run.empty())
      of_runs.push_back(value_at(run, what.info.rank));
  }
  out.values = all.size();
  if (all.empty())
    return out;
  out.value = value_at(std::move(all), what.info.rank);
  out.lowest = *std::min_element(of_runs.begin(), of_runs.end());
  out.highest = *std::max_element(of_runs.begin(), of_runs.end());
  auto goal = what.info.goal;
  out.reached
    = !goal
      || (what.info.more_is_better ? out.value >= *goal : out.value <= *goal);
  return out;
}

} // namespace muster::bench
