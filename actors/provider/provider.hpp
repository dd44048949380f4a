#pragma once

#include "messages/provider.hpp"
#include "providers/instance_group.hpp"

#include <caf/all.hpp>
#include <functional>
#include <memory>

namespace muster {

using make_instance_group = std::function<std::unique_ptr<instance_group>()>;

struct provider_edge_state {
  std::unique_ptr<instance_group> group;
  const char* name = "provider";
};

/// Starts a provider for a group.
using start_provider_actor = std::function<provider_actor(
  caf::local_actor* from, const provider_parent_actor& parent)>;

/// Returns what starts a provider that drives such an instance group.
start_provider_actor provider_starter(make_instance_group make);

/// An edge: the blocking calls to one instance group, one at a time, each with
/// a deadline. Spawned detached by its group, which it monitors, and answers to
/// it; its death makes the group start another.
provider_actor::behavior_type
provider(provider_actor::stateful_pointer<provider_edge_state> self,
         const provider_parent_actor& parent, make_instance_group make);

} // namespace muster
