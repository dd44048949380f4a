#pragma once

#include "actors/dialer/edge.hpp"
#include "actors/journal/journal.hpp"
#include "actors/metrics_sink.hpp"
#include "actors/newest.hpp"
#include "actors/runner/runner.hpp"
#include "actors/traced.hpp"
#include "config/difference.hpp"
#include "messages/manager.hpp"

#include <deque>
#include <functional>
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
  std::shared_ptr<runner_token> token; ///< null: as in the configuration
};

/// Makes the parts of a runner as a configuration has it; those of the same
/// runner by an earlier one, if there are any, go on in them. Its `config` has
/// the token in force. Returns at once.
using equip_runner = std::function<runner_parts(const runner_parts* earlier)>;

/// A configuration that was read while the manager runs.
struct read_config {
  config value;
  size_t left_out = 0;             ///< runners that cannot be served
  std::vector<equip_runner> equip; ///< one for each of `value.runners`
  /// Carries out what concerns the process: how it logs. Null: nothing.
  std::function<void(const config&)> apply;
};

struct manager_setup {
  config file; ///< without its runners
  std::string system_id;
  std::string manager_host;
  std::string run_id;
  int jobs_max = 0;                      ///< as of `runner_setup`
  std::chrono::milliseconds idle_max{0}; ///< likewise
  std::vector<runner_parts> runners;
  start_journal_actor make_journal;
  std::shared_ptr<const dial_edge> dial;
  std::shared_ptr<const edges> edge;
  std::shared_ptr<const newest<read_config>> reread; ///< null: never
};

struct manager_state {
  struct row {
    runner_actor actor; ///< empty: waits to be started, or has stopped
    runner_parts parts;
    /// As which the journal knows its jobs, until it confirms that it is
    /// another now.
    std::shared_ptr<const runner_config> known_as;
    std::shared_ptr<newest<runner_orders>> orders;
    /// What its group has worked with.
    std::shared_ptr<newest<proven_group>> proven
      = std::make_shared<newest<proven_group>>();
    uint64_t clients = 0;
    int permits = 0;
    int failures = 0;
    bool stopped = false;
    bool removed = false; ///< the file has it no more: ends with its last job
    bool held = false;    ///< starts when others have given up its name
    time_point start_at;  ///< while it waits
  };

  config file; ///< in force, without its runners
  uint64_t starts = 0;
  uint64_t orders = 0;
  std::map<runner_id, uint64_t> unconfirmed; ///< orders, by their number

  int permits_free = 0; ///< < 0: jobs of an earlier manager exceed `concurrent`
  std::deque<runner_id> waiting; ///< for a permit, first come first served
  std::shared_ptr<queue_metrics> permits_wanted;
  time_point permits_told; ///< that there are none left, last
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
/// is not written. A configuration that was read again comes into force by
/// difference: no job ends for it, and no group gets a second scaler.
manager_actor spawn_manager(const spawner& at, manager_setup setup);

} // namespace muster
