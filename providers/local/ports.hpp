#pragma once

#include "providers/local/launch.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace muster::local {

/// A port of 127.0.0.1 that nobody else can take while `holder` is open, but
/// sshd, which also sets SO_REUSEADDR, can listen on.
struct reserved_port {
  unique_fd holder;
  uint16_t port = 0; ///< 0: there was none to be had
};

reserved_port reserve_port();

/// Connects to a port of 127.0.0.1 and waits for an SSH server's banner.
/// Returns what is wrong, or nothing.
std::string check_banner(uint16_t port, deadline by);

} // namespace muster::local
