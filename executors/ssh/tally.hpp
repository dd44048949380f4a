#pragma once

#include "executors/ssh/options.hpp"

#include <atomic>

namespace muster::ssh {

/// The counters while they are counted: written by the reactor's thread, read
/// by any.
struct tally {
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> exec_channels{0};
  std::atomic<uint64_t> streams{0};
  std::atomic<uint64_t> bytes_in{0};
  std::atomic<uint64_t> bytes_out{0};

  ssh_counters read() const {
    return {connections, exec_channels, streams, bytes_in, bytes_out, 0, 0};
  }
};

} // namespace muster::ssh
