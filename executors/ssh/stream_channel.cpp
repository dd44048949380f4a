#include "executors/ssh/stream_channel.hpp"

#include "executors/ssh/exec_channel.hpp"
#include "executors/ssh/wire.hpp"

#include <algorithm>
#include <utility>

namespace muster::ssh {

sink_channel::sink_channel(const char* type, std::string message,
                           const std::string& at,
                           std::shared_ptr<stream_sink> sink,
                           const ssh_options& options, tally& counts,
                           std::function<void()> on_end)
  : channel{type, std::move(message)},
    at_{at},
    sink_{std::move(sink)},
    counts_{counts},
    linger_{options.linger},
    on_end_{std::move(on_end)} {
}

void sink_channel::send(std::string bytes) {
  if (sink_)
    output_.push(std::move(bytes));
}

void sink_channel::end_input() {
  ends_input_ = true;
}

void sink_channel::resume() {
  paused_ = false;
}

void sink_channel::finish(const connection_failure& why, time_point now) {
  tell_closed(why);
  linger_until_ = now + linger_;
  if (output_.empty() || raw() == nullptr)
    close();
}

void sink_channel::lost(const connection_failure& why) {
  tell_closed(why);
}

time_point sink_channel::due() const {
  return linger_until_;
}

void sink_channel::expire(time_point now) {
  if (now < linger_until_)
    return;
  linger_until_ = time_point::max();
  output_.clear();
  close();
}

bool sink_channel::read(int stream, channel_work& w) {
  size_t left = w.channel_bytes;
  while (sink_ && !paused_) {
    auto wanted = std::min(sink_->wanted(), w.scratch.size());
    if (wanted == 0) {
      paused_ = true;
      return false;
    }
    if (left == 0) {
      w.more = true;
      return false;
    }
    auto got = libssh2_channel_read_ex(raw(), stream, w.scratch.data(),
                                       std::min(wanted, left));
    if (got == 0 || got == LIBSSH2_ERROR_EAGAIN)
      return true;
    if (got < 0) {
      w.broken = true;
      return false;
    }
    left -= static_cast<size_t>(got);
    std::string_view bytes{w.scratch.data(), static_cast<size_t>(got)};
    if (stream == 0)
      sink_->data(bytes);
    else
      sink_->error_data(bytes);
  }
  return false;
}

bool sink_channel::write(channel_work& w) {
  auto before = output_.written();
  auto takes_more = output_.write(raw(), w);
  if (auto count = output_.written() - before; count > 0 && sink_)
    sink_->sent(static_cast<size_t>(count));
  return takes_more;
}

void sink_channel::write_end(channel_work& w) {
  if (ends_input_ && !input_ended_ && output_.empty() && !w.broken)
    input_ended_ = libssh2_channel_send_eof(raw()) != LIBSSH2_ERROR_EAGAIN;
}

void sink_channel::tell_closed(const connection_failure& why) {
  if (!sink_)
    return;
  auto sink = std::exchange(sink_, nullptr);
  on_end_();
  sink->closed(why);
}

// -- a stream to a socket -----------------------------------------------------

stream_channel::stream_channel(const std::string& at,
                               const std::string& socket_path,
                               std::shared_ptr<stream_sink> sink,
                               const ssh_options& options, tally& counts,
                               std::function<void()> on_end)
  : sink_channel{"direct-streamlocal@openssh.com",
                 wire_string(socket_path) + wire_string("") + wire_u32(0),
                 at,
                 std::move(sink),
                 options,
                 counts,
                 std::move(on_end)},
    socket_path_{socket_path} {
}

void stream_channel::refused(const std::string& reason) {
  tell_closed(stream_refused(at_, socket_path_, reason));
}

void stream_channel::opened() {
  // Nobody reads a second stream here; unread it would fill the window.
  libssh2_channel_handle_extended_data2(raw(),
                                        LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
  ++counts_.streams;
  sink_->opened();
}

void stream_channel::run(channel_work& w) {
  // The end is told when all before it was taken: libssh2 counts unread bytes
  // as "not at the end".
  read(0, w);
  if (w.broken)
    return;
  if (sink_ && libssh2_channel_eof(raw()) == 1) {
    output_.clear();
    finish({connection_errc::closed, "stream: the peer at " + at_
                                       + " ended the stream to "
                                       + printable(socket_path_)},
           w.now);
  }
  bool writable = write(w);
  if (!sink_ && (output_.empty() || !writable))
    close();
  else
    write_end(w);
}

// -- a command ----------------------------------------------------------------

command_channel::command_channel(const std::string& at, command_request what,
                                 std::shared_ptr<stream_sink> sink,
                                 const ssh_options& options, tally& counts,
                                 std::function<void()> on_end)
  : sink_channel{"session",        "", at, std::move(sink), options, counts,
                 std::move(on_end)},
    request_{std::move(what)} {
  output_.push(std::move(request_.input));
  if (request_.ends_input)
    end_input();
}

void command_channel::refused(const std::string& reason) {
  tell_closed(exec_refused(at_, reason));
}

void command_channel::opened() {
  ++counts_.exec_channels;
}

bool command_channel::start(channel_work& w) {
  switch (start_command(raw(), request_.command, w)) {
    case command_start::begun:
      started_ = true;
      if (sink_)
        sink_->opened();
      return true;
    case command_start::refused:
      tell_closed(exec_refused(at_, w.on.error_text()));
      close();
      return false;
    default:
      return false;
  }
}

void command_channel::run(channel_work& w) {
  if (!started_ && !start(w))
    return;
  bool writable = write(w);
  if (!writable)
    output_.clear(); // the command does not read it
  if (!sink_) {
    if (output_.empty())
      close();
    return;
  }
  write_end(w);
  bool output_read = read(0, w);
  bool errors_read = read(SSH_EXTENDED_DATA_STDERR, w);
  if (w.broken || !output_read || !errors_read)
    return;
  auto end = ask_remote_end(raw());
  w.broken = end == remote_end::broken;
  if (end != remote_end::closed || libssh2_channel_eof(raw()) != 1)
    return;
  auto code = exit_code_of(raw());
  if (sink_)
    sink_->exited(code);
  output_.clear();
  finish({connection_errc::closed, "exec: the command at " + at_
                                     + " ended with exit code "
                                     + std::to_string(code)},
         w.now);
}

} // namespace muster::ssh
