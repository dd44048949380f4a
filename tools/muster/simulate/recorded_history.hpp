#pragma once

#include "actors/recorder/record.hpp"
#include "actors/replay/recorded_config.hpp"
#include "tools/muster/simulate/history.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace muster::simulate {

/// The jobs of a flight recording, as a history of jobs that have run. How long
/// a job took is from when it had its slot until it was over.
class recorded_history {
public:
  /// `runner`: the name of the one whose jobs they are.
  explicit recorded_history(std::string runner) : runner_(std::move(runner)) {
  }

  void take(const record& x);

  /// Those whose beginning and end are in the recording; the others are counted
  /// as not run. They have no tags: a runner's jobs are all for it.
  history finish() const;

  /// The names of all runners that could be read in its configurations.
  const std::set<std::string>& runners() const {
    return names_;
  }

private:
  struct course {
    int64_t queued_us = 0; ///< Unix time; GitLab tells how long it had it
    int64_t began_us = 0;  ///< 0: not yet
    int64_t ended_us = 0;  ///< likewise
  };

  bool is_ours(const std::string& role) const;

  std::string runner_;
  recorded_runners known_;             ///< in the configuration in force
  std::set<std::string> names_;        ///< in any so far
  std::map<std::string, course> jobs_; ///< by key
};

} // namespace muster::simulate
