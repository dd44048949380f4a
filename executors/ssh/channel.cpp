#include "executors/ssh/channel.hpp"

namespace muster::ssh {

remote_end ask_remote_end(LIBSSH2_CHANNEL* raw) {
  auto code = libssh2_channel_wait_eof(raw);
  if (code == 0)
    code = libssh2_channel_wait_closed(raw);
  if (code == 0)
    return remote_end::closed;
  return code == LIBSSH2_ERROR_EAGAIN ? remote_end::open : remote_end::broken;
}

void channel::accept(LIBSSH2_CHANNEL* raw) {
  raw_ = raw;
  if (phase_ != phase::queued) { // given up while the peer was asked
    phase_ = phase::closing;
    return;
  }
  phase_ = phase::open;
  opened();
}

void channel::work(channel_work& w) {
  if (phase_ == phase::open)
    run(w);
  if (phase_ == phase::closing && !w.broken)
    run_closing(w);
}

void channel::close() {
  if (phase_ == phase::queued)
    phase_ = phase::done;
  else if (phase_ == phase::open)
    phase_ = phase::closing;
}

void channel::run_closing(channel_work& w) {
  if (!close_sent_) {
    if (libssh2_channel_close(raw_) == LIBSSH2_ERROR_EAGAIN)
      return;
    close_sent_ = true;
  }
  // Freed before the peer has closed, libssh2 would meet packets of a channel
  // that it does not know. sshd closes a command's channel when the command has
  // ended.
  switch (ask_remote_end(raw_)) {
    case remote_end::open:
      return;
    case remote_end::broken:
      w.broken = true;
      return;
    case remote_end::closed:
      break;
  }
  if (libssh2_channel_free(raw_) == LIBSSH2_ERROR_EAGAIN)
    return;
  raw_ = nullptr;
  phase_ = phase::done;
}

void output_queue::push(std::string bytes) {
  if (!bytes.empty())
    queue_.push_back(std::move(bytes));
}

void output_queue::clear() {
  queue_.clear();
  first_ = 0;
}

bool output_queue::write(LIBSSH2_CHANNEL* raw, channel_work& w) {
  size_t left = w.channel_bytes;
  while (!queue_.empty() && !w.on.socket.congested()) {
    if (left == 0) {
      w.more = true;
      return true;
    }
    // libssh2 wants the same bytes again after EAGAIN: the front does not move.
    const auto& front = queue_.front();
    auto wrote = libssh2_channel_write(raw, front.data() + first_,
                                       front.size() - first_);
    if (wrote == LIBSSH2_ERROR_EAGAIN || wrote == 0)
      return true; // no window
    if (wrote < 0) {
      w.broken = w.broken || !is_channel_error(static_cast<int>(wrote));
      return false;
    }
    left -= std::min(left, static_cast<size_t>(wrote));
    first_ += static_cast<size_t>(wrote);
    written_ += static_cast<uint64_t>(wrote);
    if (first_ == front.size()) {
      queue_.pop_front();
      first_ = 0;
    }
  }
  return true;
}

} // namespace muster::ssh
