#pragma once

#include "actors/simulated/course.hpp"
#include "tools/muster/simulate/history.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace muster::simulate {

/// Jobs of the past as GitLab will have them again.
struct chosen_jobs {
  /// The full hour before the first one: charts and cron periods are told from
  /// there on.
  history_time begins;
  std::vector<simulated::planned_job> jobs; ///< by time
  size_t other_tags = 0; ///< left out: of tags that the runner has not
};

/// Chooses the jobs of a runner. `tags`: those that it has, with commas; empty:
/// it takes any job. As GitLab decides it must have all tags of a job.
chosen_jobs jobs_for(const history& past, std::string_view tags);

} // namespace muster::simulate
