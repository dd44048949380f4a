#pragma once

#include "actors/simulated/world.hpp"
#include "actors/traced.hpp"
#include "messages/provider.hpp"

namespace muster::simulated {

struct provider_state {
  const char* name = "simulated-provider";
};

/// The provider of a group whose cloud is simulated. Spawned by the group,
/// which it monitors.
provider_actor::behavior_type
provider(self_ptr<provider_actor, provider_state> self,
         const provider_parent_actor& parent, const world_ptr& all);

} // namespace muster::simulated
