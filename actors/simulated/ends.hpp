#pragma once

#include "actors/simulated/world.hpp"
#include "actors/traced.hpp"
#include "messages/dialer.hpp"
#include "messages/journal.hpp"

namespace muster::simulated {

struct dialer_state {
  const char* name = "simulated-dialer";
};

struct journal_state {
  const char* name = "simulated-journal";
};

/// The way to simulated instances: those that are alive can be dialed, their
/// ready command succeeds, and nothing of a job stays there.
dialer_actor spawn_dialer(const spawner& at, world_ptr all);

/// Keeps in memory what a group wants to know again when it is started anew.
journal_actor spawn_journal(const spawner& at, world_ptr all);

} // namespace muster::simulated
