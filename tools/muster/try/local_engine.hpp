#pragma once

#include "messages/result.hpp"

#include <string>

namespace muster {

enum class local_engine_errc : uint8_t {
  no_engine = 1, ///< there is none, it cannot be used, or it is elsewhere
};

/// The Docker Engine of this machine.
struct local_engine {
  std::string address; ///< `host` of [runners.docker]
  std::string socket;  ///< its path; empty: it is reached over TCP
  std::string gateway; ///< an address of this machine that containers reach
};

/// Looks for the Engine where docker would: DOCKER_HOST, the current context,
/// /var/run/docker.sock. Errors: `no_engine`; the text says what to do.
result<local_engine, local_engine_errc> find_local_engine();

/// Removes what a runner has at an Engine: containers, volumes, networks, by
/// their labels. What cannot be removed stays.
void remove_from_engine(const std::string& address,
                        const std::string& short_token);

} // namespace muster
