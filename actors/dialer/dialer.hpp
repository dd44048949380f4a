#pragma once

#include "actors/dialer/edge.hpp"
#include "actors/traced.hpp"
#include "messages/dialer.hpp"

#include <map>
#include <memory>
#include <optional>

namespace muster {

struct dialer_state {
  struct row {
    connection_actor actor;
    std::optional<dial> asked; ///< asked again if the connection actor dies
  };
  std::map<instance_id, row> connections;
  uint64_t connections_made = 0;
  const char* name = "dialer";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, dialer_state& x) {
  return f(caf::meta::type_name("dialer_state"), x.connections_made);
}

/// Owns one connection an instance, whoever owns the group. Spawned by the
/// manager, which it monitors. A dead connection is started again: who waits
/// for a stream has a deadline of its own. Who asks before the instance is
/// dialed waits too.
dialer_actor spawn_dialer(const spawner& at, caf::actor_addr parent,
                          std::shared_ptr<const dial_edge> edge);

} // namespace muster
