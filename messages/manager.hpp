#pragma once

#include "messages/peer.hpp"
#include "messages/runner.hpp"

#include <caf/typed_actor.hpp>
#include <cstdint>

namespace muster {

/// Asks for one permit of `concurrent`. Answered by `permit` as soon as one is
/// there; first come, first served.
struct permit_request {
  runner_id runner;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, permit_request& x) {
  return f(caf::meta::type_name("permit_request"), x.runner);
}

/// Gives a permit back, or takes back a request not answered yet.
struct permit_back {
  runner_id runner;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, permit_back& x) {
  return f(caf::meta::type_name("permit_back"), x.runner);
}

/// A runner goes on with jobs of an earlier manager: they count among those of
/// `concurrent`, also beyond it.
struct permits_taken {
  runner_id runner;
  int32_t count = 0; ///< [jobs]
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, permits_taken& x) {
  return f(caf::meta::type_name("permits_taken"), x.runner, x.count);
}

/// The process is told to stop (a signal: an input).
struct shutdown_request {
  stop_mode mode = stop_mode::graceful;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, shutdown_request& x) {
  return f(caf::meta::type_name("shutdown_request"), x.mode);
}

/// Answers `stop_runner`: a runner has nothing left.
struct runner_stopped {
  runner_id runner;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, runner_stopped& x) {
  return f(caf::meta::type_name("runner_stopped"), x.runner);
}

/// The configuration was read again (an input): it is looked up, or was not
/// usable.
struct config_read {
  bool asked = false; ///< by SIGHUP: an answer is wanted in any case
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, config_read& x) {
  return f(caf::meta::type_name("config_read"), x.asked);
}

/// Answers `reconfigure_runner`: whatever was known to others by the runner's
/// former name is known by the new one.
struct runner_reconfigured {
  runner_id runner;
  uint64_t number = 0; ///< as asked
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, runner_reconfigured& x) {
  return f(caf::meta::type_name("runner_reconfigured"), x.runner, x.number);
}

/// A moment that the manager waits for.
struct manager_timer {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, manager_timer& x) {
  return f(caf::meta::type_name("manager_timer"), x.version);
}

using manager_actor = caf::typed_actor<
  caf::reacts_to<permit_request>, caf::reacts_to<permit_back>,
  caf::reacts_to<permits_taken>, caf::reacts_to<shutdown_request>,
  caf::reacts_to<runner_stopped>, caf::reacts_to<manager_timer>,
  caf::reacts_to<config_read>, caf::reacts_to<runner_reconfigured>>;

} // namespace muster
