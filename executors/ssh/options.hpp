#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace muster {

/// Deadlines and bounds of the SSH transport. The defaults are for production;
/// tests shorten them.
struct ssh_options {
  std::chrono::milliseconds name_timeout{10'000};
  std::chrono::milliseconds tcp_timeout{10'000};
  std::chrono::milliseconds banner_timeout{10'000};
  std::chrono::milliseconds key_exchange_timeout{15'000};
  std::chrono::milliseconds authentication_timeout{15'000};

  /// For a server to accept or refuse a channel; beyond it the connection is
  /// lost.
  std::chrono::milliseconds open_timeout{15'000};

  /// A connection on which nothing was received for the time of a keep-alive,
  /// and at least this long, is lost.
  std::chrono::milliseconds silence_min{15'000};

  /// How long a stream that was closed may go on sending what it had queued.
  std::chrono::milliseconds linger{5'000};

  /// How long a further connection, made for a session that the first had no
  /// room for, is kept without any.
  std::chrono::milliseconds idle_linger{30'000};

  /// Handshakes at a time: their cryptography shares the reactor's thread, and
  /// sshd drops connections beyond MaxStartups (10).
  size_t handshakes_max = 8;

  /// A handshake without progress for this long no longer counts among those.
  std::chrono::milliseconds stalled_after{500};

  uint32_t channel_window_bytes = 512 * 1024;
  size_t visit_bytes
    = 256 * 1024; ///< per session, before others have their turn
  size_t channel_bytes = 64 * 1024; ///< per channel within such a visit
};

/// What a transport has done since it was made.
struct ssh_counters {
  uint64_t connections = 0;   ///< authenticated [connections]
  uint64_t exec_channels = 0; ///< opened [channels]
  uint64_t streams = 0;       ///< opened [channels]
  uint64_t bytes_in = 0;      ///< from sockets, encrypted [bytes]
  uint64_t bytes_out = 0;     ///< to sockets, encrypted [bytes]
  uint64_t commands = 0;      ///< that wait for the thread
  uint64_t commands_peak = 0; ///< the most that ever waited
};

} // namespace muster
