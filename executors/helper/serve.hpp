#pragma once

#include "executors/helper/spool.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace muster::helper {

struct serve_options {
  std::string dir;   ///< state folder
  std::string home;  ///< where scripts start; empty: HOME, else where we are
  std::string build; ///< version text
  std::chrono::seconds idle_exit{0}; ///< without client and job; 0: never
  uint64_t spool_max_bytes = spool::bound_default;
};

/// Starts the daemon that takes plans at the socket in `dir`, or finds it
/// running. Prints `ready <absolute socket path>` once the socket accepts
/// connections.
/// @return exit status: 0, or 1 after a line on stderr
int serve(const serve_options& options);

/// Connects stdin and stdout with the daemon's socket in `dir`, until one side
/// ends: for hosts whose sshd does not forward sockets.
/// @return exit status: 0, or 1 after a line on stderr
int connect_streams(const std::string& dir);

} // namespace muster::helper
