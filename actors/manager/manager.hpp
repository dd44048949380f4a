#pragma once

#include "actors/dialer/edge.hpp"
#include "actors/journal/journal.hpp"
#include "actors/runner/runner.hpp"
#include "actors/traced.hpp"
#include "messages/manager.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster {

/// What one runner needs that is not the same for all.
struct runner_parts {
  runner_id id;
  std::shared_ptr<const runner_config> config;
  start_provider_actor make_provider;
  make_http_worker make_worker;
  std::shared_ptr<runner_metrics> metrics = std::make_shared<runner_metrics>();
};

struct manager_setup {
  int concurrent = 1;
  std::chrono::milliseconds check_interval{3'000};
  std::chrono::milliseconds shutdown_timeout{30'000};
  std::string system_id;
  std::string manager_host;
  std::string run_id;
  int jobs_max = 0;                      ///< as of `runner_setup`
  std::chrono::milliseconds idle_max{0}; ///< likewise
  std::vector<runner_parts> runners;
  start_journal_actor make_journal;
  std::shared_ptr<const dial_edge> dial;
  std::shared_ptr<const edges> edge;
};

struct manager_state {
  struct row {
    runner_actor actor; ///< empty: waits to be started again, or has stopped
    size_t index = 0;   ///< in the setup
    int permits = 0;
    int failures = 0;
    bool stopped = false;
    time_point start_at; ///< while it waits
  };

  int permits_free = 0; ///< < 0: jobs of an earlier manager exceed `concurrent`
  std::deque<runner_id> waiting; ///< for a permit, first come first served
  std::map<runner_id, row> runners;
  journal_actor journal;
  dialer_actor dialer;
  bool stopping = false;
  stop_mode mode = stop_mode::graceful;
  time_point stop_by; ///< of a forceful stop
  uint64_t timer = 0;
  const char* name = "manager";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, manager_state& x) {
  return f(caf::meta::type_name("manager_state"), x.permits_free, x.stopping);
}

/// The root: permits of `concurrent`, the runners, shutdown. Spawned by the
/// program; ends without an error when everything stopped in time. A dead
/// runner is started again after a growing delay, a dead dialer ends its
/// runners with it, and a dead journal ends the manager: nothing may run that
/// is not written.
manager_actor::behavior_type
manager(self_ptr<manager_actor, manager_state> self, manager_setup setup);

} // namespace muster
