#pragma once

#include "messages/coordinator.hpp"
#include "messages/group.hpp"
#include "messages/job.hpp"
#include "messages/journal.hpp"

#include <caf/typed_actor.hpp>
#include <cstdint>

namespace muster {

/// Time to think about asking for a job.
struct poll_tick {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, poll_tick& x) {
  return f(caf::meta::type_name("poll_tick"), x.version);
}

/// Answers `permit_request`: one job of `concurrent` may be asked for.
struct permit {
  uint64_t number = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, permit& x) {
  return f(caf::meta::type_name("permit"), x.number);
}

enum class stop_mode : uint8_t {
  graceful,  ///< jobs end by themselves
  term,      ///< jobs are interrupted: SIGTERM
  interrupt, ///< jobs are interrupted: SIGINT
};

/// No more jobs; those running end as the mode says, then the group drains.
/// Answered by `runner_stopped`.
struct stop_runner {
  stop_mode mode = stop_mode::graceful;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, stop_runner& x) {
  return f(caf::meta::type_name("stop_runner"), x.mode);
}

/// The configuration has changed: the newest is looked up. A runner that was
/// told to stop gracefully, and still has jobs, goes on. Answered by
/// `runner_reconfigured`.
struct reconfigure_runner {
  uint64_t number = 0;
  uint64_t clients = 0; ///< another number: with other clients
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, reconfigure_runner& x) {
  return f(caf::meta::type_name("reconfigure_runner"), x.number, x.clients);
}

/// Time to start a dead group or coordinator again.
struct restart_tick {
  uint64_t number = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, restart_tick& x) {
  return f(caf::meta::type_name("restart_tick"), x.number);
}

/// Time to look at the runner's token.
struct token_tick {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_tick& x) {
  return f(caf::meta::type_name("token_tick"), x.version);
}

/// The time that `run-single` waits for a job is over.
struct idle_tick {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, idle_tick& x) {
  return f(caf::meta::type_name("idle_tick"), x.version);
}

using runner_actor
  = caf::typed_actor<caf::reacts_to<poll_tick>, caf::reacts_to<permit>,
                     caf::reacts_to<stop_runner>, caf::reacts_to<restart_tick>,
                     caf::reacts_to<reserved>, caf::reacts_to<capacity_changed>,
                     caf::reacts_to<group_ready>, caf::reacts_to<drained>,
                     caf::reacts_to<job_offer>, caf::reacts_to<update_result>,
                     caf::reacts_to<job_written>, caf::reacts_to<left_jobs>,
                     caf::reacts_to<job_ended>, caf::reacts_to<token_state>,
                     caf::reacts_to<token_tick>, caf::reacts_to<idle_tick>,
                     caf::reacts_to<reconfigure_runner>>;

} // namespace muster
