#pragma once

#include "messages/peer.hpp"

#include <caf/message.hpp>
#include <functional>

namespace muster {

/// Gives the peers in a message that was read from a recording handles again,
/// by their roles. Roles that are empty stay nobody.
void revive(caf::message& what,
            const std::function<caf::actor(const std::string& role)>& find);

} // namespace muster
