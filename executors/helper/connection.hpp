#pragma once

#include "executors/helper/frames.hpp"
#include "executors/helper/unix_socket.hpp"
#include "messages/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster::helper {

/// Sends bytes together with a descriptor; all or nothing.
bool send_with_fd(const unique_fd& socket, std::string_view bytes, int fd);

/// Frames over a non-blocking unix socket. Neither side can make it grow: it
/// stops reading while the peer does not take its answers.
///
/// A connection whose first bytes came with a descriptor is a hand-over: at
/// their end the descriptor takes the connection's place, as if the bytes had
/// come from it. That is how the daemon passes a client on to a job's
/// supervisor.
class connection {
public:
  enum class takes_over : bool { no, yes };

  explicit connection(unique_fd fd, takes_over rule = takes_over::no);

  int fd() const {
    return fd_.get();
  }

  /// False once the peer is gone or the stream is damaged: to be dropped.
  bool usable() const {
    return usable_;
  }

  /// The peer will send nothing more; it may still read.
  bool read_closed() const {
    return read_closed_;
  }

  /// Nothing waits to be sent.
  bool drained() const {
    return outgoing_.empty();
  }

  /// Bytes of a frame have come that is not whole yet.
  bool mid_frame() const {
    return !decoder_.rest().empty();
  }

  /// What to poll for.
  short events() const;

  /// Reads what is there, up to a bound.
  void receive();

  /// Returns the next whole frame, if any; none before a hand-over is complete,
  /// since the answer must go to the connection that was handed over. A damaged
  /// stream makes the connection unusable, after a `refused` that says so.
  std::optional<frames::frame> next();

  /// Sends a frame; what the peer does not take now is kept.
  void send(const frames::frame& x);

  /// The same with bytes of whole frames.
  void send_bytes(std::string_view bytes);

  /// Sends what is kept, as far as the peer takes it.
  void flush();

  /// Drops the connection once what is kept was sent.
  void close_when_drained() {
    closing_ = true;
    settle();
  }

  void drop() {
    usable_ = false;
  }

  /// Returns the bytes received but not taken by `next`.
  std::string_view unread() const {
    return decoder_.rest();
  }

private:
  bool receive_piece();
  void at_end();
  void settle();

  unique_fd fd_;
  unique_fd passed_;
  frames::decoder decoder_;
  std::string outgoing_; ///< begins anywhere in a frame, ends at a frame's end
  takes_over rule_;
  bool usable_ = true;
  bool read_closed_ = false;
  bool closing_ = false;
};

} // namespace muster::helper
