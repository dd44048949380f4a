#pragma once

#include "actors/simulated/runner.hpp"
#include "actors/virtual_time.hpp"

#include <chrono>
#include <cstdint>

namespace muster::simulated {

/// A runner with its group, in virtual time, between simulated ends. While it
/// is there it has the thread for itself: see `virtual_time`.
class simulation {
public:
  explicit simulation(world_options given);
  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;
  ~simulation();

  /// Runs until every planned job is over, or nothing ends for a week: then
  /// nothing will. Returns how many messages were handled.
  uint64_t run_to_end();

  virtual_time& clock() {
    return time_;
  }

  world& all() {
    return *all_;
  }

  /// The group has the world's configuration from now on.
  void reconfigure(std::shared_ptr<const runner_config> runner);

  /// The state of the runner, between two messages.
  const runner_state& runner() const;

  /// The state of the group, between two messages; null if it is not there.
  const group_state* group() const;

  /// Where a job runs; nobody, if it has no slot.
  static peer slot_of(const job_actor& job);

private:
  void end(const caf::actor& who);

  virtual_time time_;
  world_ptr all_;
  dialer_actor dialer_;
  journal_actor journal_;
  runner_actor runner_;
};

} // namespace muster::simulated
