#pragma once

#include "actors/clock.hpp"
#include "actors/message_types.hpp"

#include <caf/all.hpp>
#include <caf/detail/test_actor_clock.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <chrono>
#include <cstddef>

namespace muster {

/// An actor system in virtual time, on CAF's test coordinator: one thread, time
/// moves by hand, and nothing happens but within the functions of this class.
class virtual_time {
public:
  struct config : message_system_config {
    config() {
      set("scheduler.policy", caf::atom("testing"));
    }
  };

  config cfg;
  caf::actor_system sys{cfg};

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());
  }

  time_point now() {
    return scheduler().clock().current_time;
  }

  /// Has every message handled that there is. Returns how many there were.
  size_t run() {
    return scheduler().run();
  }

  /// Moves on to the next timer, if it is due by then, and hands it over; to
  /// `end`, and returns false, if there is none.
  bool advance(time_point end) {
    auto& clock = scheduler().clock();
    if (clock.has_pending_timeout() && clock.schedule().begin()->first <= end) {
      clock.trigger_timeout();
      return true;
    }
    if (clock.current_time < end)
      clock.current_time = end;
    return false;
  }

  /// Lets time pass, stopping at every timer in the order of the deadlines.
  /// Returns how many messages were handled.
  size_t run_until(time_point end) {
    auto handled = run();
    while (advance(end))
      handled += run();
    return handled;
  }

  size_t run_for(caf::timespan d) {
    return run_until(now() + d);
  }

  template <class Rep, class Period>
  size_t run_for(std::chrono::duration<Rep, Period> d) {
    return run_for(std::chrono::duration_cast<caf::timespan>(d));
  }
};

} // namespace muster
