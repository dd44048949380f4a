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
provider_actor spawn_provider(const spawner& at, provider_parent_actor parent,
                              world_ptr all);

} // namespace muster::simulated
