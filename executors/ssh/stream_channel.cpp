#include "executors/ssh/stream_channel.hpp"

#include "executors/ssh/wire.hpp"

#include <algorithm>
#include <utility>

namespace muster::ssh {

stream_channel::stream_channel(const std::string& at,
                               const std::string& socket_path,
                               std::shared_ptr<stream_sink> sink,
                               const ssh_options& options, tally& counts,
                               std::function<void()> on_end)
  : channel{"direct-streamlocal@openssh.com",
            wire_string(socket_path) + wire_string("") + wire_u32(0)},
    at_{at},
    socket_path_{socket_path},
    sink_{std::move(sink)},
    linger_{options.linger},
    counts_{counts},
    on_end_{std::move(on_end)} {
}

void stream_channel::send(std::string bytes) {
  if (sink_)
    output_.push(std::move(bytes));
}

void stream_channel::resume() {
  paused_ = false;
}

void stream_channel::finish(const connection_failure& why, time_point now) {
  tell_closed(why);
  linger_until_ = now + linger_;
  if (output_.empty() || raw() == nullptr)
    close();
}

void stream_channel::refused(const std::string& reason) {
  tell_closed(stream_refused(at_, socket_path_, reason));
}

void stream_channel::lost(const connection_failure& why) {
  tell_closed(why);
}

time_point stream_channel::due() const {
  return linger_until_;
}

void stream_channel::expire(time_point now) {
  if (now < linger_until_)
    return;
  linger_until_ = time_point::max();
  output_.clear();
  close();
}

void stream_channel::opened() {
  // Nobody reads a second stream here; unread it would fill the window.
  libssh2_channel_handle_extended_data2(raw(),
                                        LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
  ++counts_.streams;
  sink_->opened();
}

void stream_channel::run(channel_work& w) {
  if (sink_)
    read(w);
  if (w.broken)
    return;
  bool writable = output_.write(raw(), w);
  if (!sink_ && (output_.empty() || !writable))
    close();
}

void stream_channel::read(channel_work& w) {
  size_t left = w.channel_bytes;
  ssize_t got = LIBSSH2_ERROR_EAGAIN;
  while (!paused_) {
    auto wanted = std::min(sink_->wanted(), w.scratch.size());
    if (wanted == 0) {
      paused_ = true;
      break;
    }
    if (left == 0) {
      w.more = true;
      return;
    }
    got = libssh2_channel_read(raw(), w.scratch.data(), std::min(wanted, left));
    if (got <= 0)
      break;
    left -= static_cast<size_t>(got);
    sink_->data({w.scratch.data(), static_cast<size_t>(got)});
  }
  if (got < 0 && got != LIBSSH2_ERROR_EAGAIN) {
    w.broken = true;
    return;
  }
  // The end is told when all before it was taken: libssh2 counts unread bytes
  // as "not at the end".
  if (libssh2_channel_eof(raw()) == 1) {
    output_.clear();
    finish({connection_errc::closed, "stream: the peer at " + at_
                                       + " ended the stream to "
                                       + printable(socket_path_)},
           w.now);
  }
}

void stream_channel::tell_closed(const connection_failure& why) {
  if (!sink_)
    return;
  auto sink = std::exchange(sink_, nullptr);
  on_end_();
  sink->closed(why);
}

} // namespace muster::ssh
