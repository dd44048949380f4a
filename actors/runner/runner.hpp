#pragma once

#include "actors/coordinator/coordinator.hpp"
#include "actors/group/group.hpp"
#include "actors/job/job.hpp"
#include "actors/newest.hpp"
#include "actors/runner/pace.hpp"
#include "actors/runner/rotation.hpp"
#include "actors/traced.hpp"
#include "messages/manager.hpp"
#include "messages/runner.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace muster {

/// What of a runner may change while it lives.
struct runner_orders {
  std::shared_ptr<const runner_config> config; ///< with the token in force
  std::chrono::milliseconds check_interval{3'000};
  std::chrono::milliseconds shutdown_timeout{30'000};
  start_provider_actor make_provider;
  make_http_worker make_worker;
  uint64_t clients = 0; ///< another number: `make_worker` makes other clients
};

/// What a runner is, and whom it talks to.
struct runner_setup {
  runner_id id;
  std::shared_ptr<const runner_config> config;
  std::chrono::milliseconds check_interval{3'000};
  std::chrono::milliseconds shutdown_timeout{30'000};
  uint64_t clients = 0; ///< as of `runner_orders`
  bool leaves = false;  ///< it ends what was left of it, and stops
  /// As which the journal knows it, if that is another than `config`. Then it
  /// says `runner_reconfigured` with `number` when that is over.
  std::shared_ptr<const runner_config> known_as;
  uint64_t number = 0;
  std::shared_ptr<const newest<runner_orders>> orders; ///< null: none will come
  /// Of its group; kept beyond this runner's own failure.
  std::shared_ptr<newest<proven_group>> proven
    = std::make_shared<newest<proven_group>>();
  std::string system_id;
  std::string manager_host;
  std::string run_id; ///< of this manager process: part of every key
  int jobs_max = 0;   ///< stops the manager after so many jobs; 0: never
  std::chrono::milliseconds idle_max{0}; ///< or when idle so long; 0: never
  start_provider_actor make_provider;
  make_http_worker make_worker;
  std::function<job_actor(const spawner&, job_setup)> make_job = spawn_job;
  manager_actor parent;
  dialer_actor dialer;
  journal_actor journal;
  std::shared_ptr<const edges> edge;
  std::shared_ptr<runner_metrics> metrics = std::make_shared<runner_metrics>();
};

struct runner_state {
  enum class poll_phase : uint8_t { reserving, asking, writing };

  struct poll {
    poll_phase at = poll_phase::reserving;
    time_point begun;
    job_payload payload;           ///< set while writing
    int64_t taken_us = 0;          ///< likewise
    coordinator_actor coordinator; ///< that was asked
  };

  struct running {
    job_actor actor;
    int64_t job = 0;
    secret token;
    int32_t concurrent_id = 0;
    coordinator_actor coordinator; ///< that its job speaks with
  };

  muster::pace pace{pace_options{}, time_point{}};
  std::map<acquisition_key, poll> polls;
  std::map<acquisition_key, running> jobs;
  std::map<acquisition_key, left_job> left; ///< results still to be told
  int left_failures = 0;                    ///< to tell them, in a row
  bool left_tick_out = false;
  std::shared_ptr<const runner_config> config; ///< with the token in force
  std::chrono::milliseconds check_interval{0};
  std::chrono::milliseconds shutdown_timeout{0};
  start_provider_actor make_provider;
  make_http_worker make_worker;
  uint64_t clients = 0;
  std::shared_ptr<newest<group_orders>> group_orders_out;
  uint64_t group_orders_number = 0;
  std::string asked_as;    ///< the journal was asked for the jobs of this name
  bool left_known = false; ///< and has answered
  uint64_t to_confirm = 0; ///< a reconfiguration; 0: none
  /// With clients of an earlier configuration, as long as jobs and requests use
  /// them.
  std::vector<coordinator_actor> former;
  token_facts token;
  int token_failures = 0; ///< to rotate or to write it, in a row
  time_point token_not_before;
  uint64_t token_ticks = 0;
  int jobs_taken = 0;
  uint64_t idle_ticks = 0;
  /// Slots in which an earlier manager left something: claimed to be cleaned.
  std::vector<claim> leftovers;
  uint64_t keys = 0; ///< made so far
  int permits_asked = 0;
  bool starved = false; ///< the group refused: it will tell when it can
  bool group_ready = false;
  bool stopping = false;
  bool leaves = false; ///< stops, once it is known what was left of it
  bool draining = false;
  stop_mode mode = stop_mode::graceful;
  int group_failures = 0;
  uint64_t restarts = 0;
  uint64_t tick = 0;
  bool told_unhealthy = false;
  caf::error last_problem; ///< of the group, told once
  group_actor group;
  coordinator_actor coordinator;
  const char* name = "runner";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, runner_state& x) {
  return f(caf::meta::type_name("runner_state"), x.keys, x.permits_asked,
           x.starved, x.group_ready, x.stopping, x.draining);
}

/// One `[[runners]]` entry: asks GitLab for jobs when there is capacity for
/// them, and starts them. Spawned by the manager, which it monitors; it spawns
/// its coordinator, its group and its jobs, those that an earlier manager left
/// first. A dead group or coordinator is started again while jobs go on; a dead
/// job is reported as failed by the system.
runner_actor spawn_runner(const spawner& at, runner_setup setup);

} // namespace muster
