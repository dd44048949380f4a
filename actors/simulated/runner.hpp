#pragma once

#include "actors/group/group.hpp"
#include "actors/simulated/job.hpp"
#include "actors/simulated/world.hpp"
#include "actors/traced.hpp"
#include "messages/runner.hpp"

#include <deque>
#include <map>
#include <set>

namespace muster::simulated {

/// What a simulated runner hears.
using runner_actor = group_parent_actor::extend<
  caf::reacts_to<job_ended>, caf::reacts_to<poll_tick>,
  caf::reacts_to<restart_tick>, caf::reacts_to<reconfigure_runner>>;

struct runner_setup {
  dialer_actor dialer;
  journal_actor journal;
  std::shared_ptr<const edges> edge;
};

struct runner_state {
  const char* name = "simulated-runner";
  struct running {
    job_actor actor;
    size_t index = 0; ///< of the world's jobs
  };

  group_actor group;
  std::shared_ptr<newest<group_orders>> orders;
  std::deque<size_t> queue;        ///< jobs that GitLab has for it
  size_t arrived = 0;              ///< of the world's jobs
  std::set<acquisition_key> polls; ///< reservations that are asked for
  std::map<acquisition_key, running> jobs;
  uint64_t keys = 0;
  uint64_t tick = 0;
  time_point tick_due = time_point::max(); ///< when that one comes; max: none
  time_point next_poll;                    ///< not before
  bool starved = false; ///< the group refused: it will tell when it can
  bool group_ready = false;
  int group_failures = 0;
  uint64_t restarts = 0;
  uint64_t reconfigurations = 0;
};

/// GitLab's queue and the runner that takes jobs from it, in one: jobs come as
/// planned, and each is asked for only with a permit and a reservation. Polls
/// that would find nothing are left out. Spawns the group and the jobs.
runner_actor spawn_runner(const spawner& at, runner_setup setup, world_ptr all);

} // namespace muster::simulated
