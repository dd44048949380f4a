#pragma once

#include "executors/ssh/tally.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace muster::ssh {

using time_point = std::chrono::steady_clock::time_point;

/// The socket below a libssh2 session. Two things make libssh2's non-blocking
/// mode simple: output is always accepted whole (what the kernel does not take
/// is kept here, and `congested` tells when to stop), so that no call is ever
/// left in the middle of a packet; and the end of the input is hidden from
/// libssh2, so that what has arrived can still be read from its channels before
/// the session ends.
class buffered_socket {
public:
  explicit buffered_socket(tally& counts) : counts_{counts} {
  }

  ~buffered_socket() {
    close();
  }

  buffered_socket(const buffered_socket&) = delete;
  buffered_socket& operator=(const buffered_socket&) = delete;

  /// Takes over a connected, non-blocking socket.
  void adopt(int fd, time_point now);
  void close();

  int fd() const {
    return fd_;
  }

  /// Allows `bytes` to be received until the next call.
  void begin_visit(size_t bytes, time_point now);

  /// Hands the kernel what it takes.
  void flush();

  /// Whether output waits for the peer to read.
  bool has_output() const {
    return out_first_ < out_.size();
  }

  /// Whether channels should stop writing.
  bool congested() const;

  /// Whether reading must wait too: the peer makes us answer and does not read.
  bool choked() const;

  /// Looks whether bytes, or the end, can be received.
  bool has_input() const;

  /// How the peer went away; empty as long as it has not.
  const std::string& end() const {
    return end_;
  }

  /// When the peer last sent something.
  time_point last_received() const {
    return last_received_;
  }

  /// The first bytes that the peer sent, until `forget_head`.
  const std::string& head() const {
    return head_;
  }

  void forget_head();

  /// From now on nothing is sent and every receive fails: for letting libssh2
  /// free a session without network traffic.
  void mute() {
    muted_ = true;
  }

  /// For libssh2: as recv and send, with a negative errno as error.
  ssize_t receive(void* buffer, size_t size, int flags);
  ssize_t send(const void* bytes, size_t size);

private:
  tally& counts_;
  int fd_ = -1;
  std::string out_;
  size_t out_first_ = 0;
  size_t visit_bytes_left_ = 0;
  bool drained_ = false; ///< the kernel had nothing more in this visit
  bool send_failed_ = false;
  bool muted_ = false;
  bool head_wanted_ = true;
  std::string end_;
  std::string head_;
  time_point now_;
  time_point last_received_;
};

} // namespace muster::ssh
