#pragma once

#include "executors/ssh/failures.hpp"
#include "executors/ssh/handle.hpp"
#include "executors/transport.hpp"

#include <deque>
#include <span>
#include <string>

namespace muster::ssh {

/// What channels share in one visit of their session.
struct channel_work {
  handle& on;
  std::span<char> scratch;
  time_point now;
  size_t channel_bytes; ///< that one channel may move in this visit
  bool more = false;    ///< a channel could go on at once
  bool broken = false;  ///< the session cannot be used any more
};

/// Whether the peer has ended a channel. Asking parses what has arrived, for
/// all channels of the session, and sends nothing.
enum class remote_end { open, closed, broken };

remote_end ask_remote_end(LIBSSH2_CHANNEL* raw);

/// One SSH channel: queued until its turn to be opened, open, closing until the
/// peer has confirmed, done. Everything runs on the reactor's thread.
class channel {
public:
  channel(const char* type, std::string message)
    : type_{type},
      message_{std::move(message)} {
  }

  virtual ~channel() = default;

  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  /// For SSH_MSG_CHANNEL_OPEN.
  const std::string& type() const {
    return type_;
  }

  const std::string& message() const {
    return message_;
  }

  LIBSSH2_CHANNEL* raw() const {
    return raw_;
  }

  bool done() const {
    return phase_ == phase::done;
  }

  /// The peer has accepted the channel.
  void accept(LIBSSH2_CHANNEL* raw);

  /// Moves bytes and states as far as they go now.
  void work(channel_work& w);

  /// The peer has refused the channel; libssh2's text.
  virtual void refused(const std::string& reason) = 0;

  /// The connection is gone. Called for every channel, whatever its phase.
  virtual void lost(const connection_failure& why) = 0;

  /// When `expire` is to be called.
  virtual time_point due() const {
    return time_point::max();
  }

  virtual void expire(time_point) {
  }

protected:
  /// The channel is open from now on.
  virtual void opened() = 0;

  virtual void run(channel_work& w) = 0;

  /// Ends the channel in order; before it was opened it is not opened any more.
  void close();

private:
  enum class phase { queued, open, closing, done };

  void run_closing(channel_work& w);

  std::string type_;
  std::string message_;
  LIBSSH2_CHANNEL* raw_ = nullptr;
  phase phase_ = phase::queued;
  bool close_sent_ = false;
};

/// Bytes on their way to the peer.
class output_queue {
public:
  void push(std::string bytes);

  bool empty() const {
    return queue_.empty();
  }

  void clear();

  /// Writes what window and socket take. Returns false when the channel takes
  /// nothing more for good.
  bool write(LIBSSH2_CHANNEL* raw, channel_work& w);

  /// Of all that was pushed so far. [bytes]
  uint64_t written() const {
    return written_;
  }

private:
  std::deque<std::string> queue_;
  uint64_t written_ = 0;
  size_t first_ = 0; ///< of the first entry, sent already [bytes]
};

/// A channel of a type that no server knows: the refusal is an answer. It makes
/// libssh2 read on a session without channels, for which it offers no call, and
/// serves as keep-alive there.
class probe_channel : public channel {
public:
  probe_channel() : channel{"alive@muster", ""} {
  }

  void refused(const std::string&) override {
  }

  void lost(const connection_failure&) override {
  }

protected:
  void opened() override {
    close();
  }

  void run(channel_work&) override {
  }
};

} // namespace muster::ssh
