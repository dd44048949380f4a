#pragma once

#include "actors/coordinator/worker.hpp"
#include "actors/metrics_sink.hpp"
#include "actors/traced.hpp"
#include "messages/coordinator.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

namespace muster {

/// Starts the worker with this number; without an actor if it cannot work.
using make_http_worker = std::function<started_worker(
  caf::local_actor* from, const coordinator_actor& parent, uint64_t number)>;

struct coordinator_setup {
  std::string role;
  make_http_worker make_worker;
  caf::actor_addr parent;
  std::shared_ptr<runner_metrics> metrics = std::make_shared<runner_metrics>();
};

struct coordinator_state {
  using question
    = std::variant<update_job, patch_trace, request_job, tend_token>;

  struct worker {
    http_worker_actor actor;
    stop_call stop;
    bool busy = false;
    question asked; ///< while busy
  };

  std::deque<question> results; ///< final states: first of all
  std::deque<question> others;  ///< traces, acceptances, keep-alives
  std::deque<question> polls;
  std::map<uint64_t, worker> workers;
  uint64_t workers_made = 0;
  bool no_polls = false; ///< shutting down
  std::shared_ptr<queue_metrics> depth;
  const char* name = "coordinator";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, coordinator_state& x) {
  return f(caf::meta::type_name("coordinator_state"), x.workers_made,
           x.no_polls);
}

/// GitLab's API for one runner: a bounded queue and the HTTP workers that serve
/// it, final states first. Spawned by the runner, which it monitors. A worker
/// that dies is replaced; what it was asked is answered as unanswered.
coordinator_actor spawn_coordinator(const spawner& at, coordinator_setup setup);

} // namespace muster
