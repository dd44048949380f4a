#pragma once

#include "executors/docker/engine.hpp"

#include <string>
#include <vector>

namespace muster::docker {

// What the Engine's description of a service's container tells.

/// Whether it was created and nothing else: it has not been started yet.
bool is_only_created(const json& container);

/// Its addresses in its networks.
std::vector<std::string> addresses_of(const json& container);

/// The TCP ports on which it should take connections, in their order:
/// that of its variable HEALTHCHECK_TCP_PORT alone, else the 20 lowest that it
/// exposes.
std::vector<int> ports_of(const json& container);

} // namespace muster::docker
