#pragma once

#include "actors/slot/lifecycle.hpp"
#include "actors/traced.hpp"
#include "messages/slot.hpp"

namespace muster {

struct slot_state {
  slot_life::state life;
  int32_t index = 0;
  uint64_t version = 0; ///< of the last status told
  caf::actor_addr holder;
  const char* name = "slot";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_state& x) {
  return f(caf::meta::type_name("slot_state"), x.life, x.index, x.version);
}

/// One unit of an instance's capacity. Spawned by its instance, which it
/// monitors: it ends with it. It monitors the job that holds it; the job's
/// death ends the hold. Its own failure makes the instance retire.
slot_actor spawn_slot(const spawner& at, slot_parent_actor parent,
                      int32_t index);

} // namespace muster
