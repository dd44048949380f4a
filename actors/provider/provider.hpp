#pragma once

#include "actors/gauged.hpp"
#include "actors/metrics_sink.hpp"
#include "messages/provider.hpp"
#include "providers/instance_group.hpp"

#include <caf/all.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <variant>

namespace muster {

using make_instance_group = std::function<std::unique_ptr<instance_group>()>;

/// What an instance wants to know, if that is asked beside other calls.
using instance_question = std::variant<get_connect_info, heartbeat>;

struct provider_edge_state {
  std::shared_ptr<instance_group> group; ///< shared with those who ask it
  std::shared_ptr<runner_metrics> metrics;
  std::shared_ptr<queue_metrics> calls;
  std::shared_ptr<queue_metrics> questions;
  std::deque<instance_question> waiting; ///< at most one of a kind an instance
  int asking = 0;                        ///< threads that ask
  const char* name = "provider";
};

/// Starts a provider for a group.
using start_provider_actor = std::function<provider_actor(
  caf::local_actor* from, const provider_parent_actor& parent)>;

/// Returns what starts a provider that drives such an instance group. When its
/// parent ends, the group has `shutdown_timeout` for its own end.
start_provider_actor
provider_starter(make_instance_group make,
                 std::chrono::milliseconds shutdown_timeout,
                 std::shared_ptr<runner_metrics> metrics);

/// An edge: the blocking calls to one instance group, one at a time, each with
/// a deadline; what instances want to know is asked in threads of its own where
/// the group can do that. Spawned detached by its group, which it monitors, and
/// answers to it. It ends when its instance group is lost, and makes the group
/// start another.
provider_actor::behavior_type
provider(gauged_ptr<provider_actor, provider_edge_state> self,
         const provider_parent_actor& parent, make_instance_group make,
         std::chrono::milliseconds shutdown_timeout,
         std::shared_ptr<runner_metrics> metrics);

} // namespace muster
