#pragma once

#include "executors/docker/stream.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace muster::docker {

/// Where an Engine listens.
struct address {
  std::string socket; ///< path of a unix socket; empty: TCP
  std::string host;
  uint16_t port = 0;
  bool is_bridge = false; ///< the socket leads to another machine's Engine
};

/// Parses what DOCKER_HOST may have: `unix:///path`, `tcp://host:port`; and
/// `bridge:///path`, a manager's way to the Engine of an instance.
/// Errors: `bad_request`: another scheme, no path, no port; what to do.
engine_result<address> parse_address(const std::string& text);

/// Whether the Engine is on this machine.
inline bool is_local(const address& x) {
  return !x.socket.empty() && !x.is_bridge;
}

/// Returns an address for people, as it is written.
std::string to_string(const address& x);

/// Value of an environment variable; nothing if it is not set.
using environment_lookup
  = std::function<std::optional<std::string>(const std::string&)>;

/// Of this process.
std::optional<std::string> own_variable(const std::string& name);

/// Returns where the login user's docker would go: DOCKER_HOST, else the
/// current context's Engine, else `unix:///var/run/docker.sock`.
std::string login_address(const environment_lookup& variable);

/// Makes streams over sockets of this machine.
std::unique_ptr<dialer> make_socket_dialer(const address& to);

} // namespace muster::docker
