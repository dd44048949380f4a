#include "executors/ssh/session.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

namespace muster::ssh {

session::session(const surroundings& around, dial to,
                 std::shared_ptr<connection_sink> sink, time_point now)
  : around_{around},
    to_{std::move(to)},
    at_{to_text(to_.where)},
    sink_{std::move(sink)},
    handle_{around.counts},
    now_{now},
    until_{now + to_.timeout} {
  handle_.password = std::exchange(to_.password, {});
  enter(phase::name, around_.options.name_timeout);
}

session::~session() {
  if (connecting_fd_ >= 0)
    close(connecting_fd_);
}

void session::resolved(result<std::vector<endpoint>, connection_errc> found,
                       time_point now) {
  if (phase_ != phase::name)
    return;
  now_ = now;
  if (!found) {
    end(found.error());
    return;
  }
  endpoints_ = std::move(*found);
  enter(phase::turn, to_.timeout);
}

void session::admit(time_point now) {
  now_ = now;
  enter(phase::tcp, around_.options.tcp_timeout);
  connect_next();
  visit(now);
}

bool session::in_handshake(time_point now) const {
  if (phase_ < phase::tcp || phase_ > phase::authentication)
    return false;
  auto progress = std::max(layer_began_, handle_.socket.last_received());
  return now - progress < around_.options.stalled_after;
}

void session::visit(time_point now) {
  if (over())
    return;
  now_ = now;
  more_ = false;
  handle_.socket.begin_visit(around_.options.visit_bytes, now);
  while (!over() && step())
    ;
  if (over())
    return;
  handle_.socket.flush();
  update_interest();
}

bool session::step() {
  switch (phase_) {
    case phase::tcp:
      return step_tcp();
    case phase::banner:
    case phase::key_exchange:
      return step_handshake();
    case phase::authentication:
      return step_authentication();
    case phase::established:
      work();
      return false;
    default:
      return false;
  }
}

void session::enter(phase next, milliseconds limit) {
  phase_ = next;
  layer_began_ = now_;
  layer_until_ = std::min(now_ + limit, until_);
}

layer session::current_layer() const {
  switch (phase_) {
    case phase::name:
      return layer::name;
    case phase::turn:
      return layer::turn;
    case phase::tcp:
      return layer::tcp;
    case phase::banner:
      return layer::banner;
    case phase::key_exchange:
      return layer::key_exchange;
    default:
      return layer::authentication;
  }
}

time_point session::due() const {
  if (over())
    return time_point::max();
  if (phase_ == phase::tcp)
    return std::min(layer_until_, endpoint_until_);
  if (phase_ != phase::established)
    return layer_until_;
  auto due = std::min(keepalive_due_, idle_until_);
  if (opening_)
    due = std::min(due, opening_until_);
  for (const auto& x : channels_)
    due = std::min(due, x->due());
  for (const auto& x : opens_)
    due = std::min(due, x->due());
  return due;
}

void session::expire(time_point now) {
  now_ = now;
  if (over())
    return;
  if (phase_ != phase::established) {
    if (now < layer_until_) { // one of several addresses
      connect_error_ = ETIMEDOUT;
      connect_next();
      visit(now);
      return;
    }
    auto waited = std::chrono::round<milliseconds>(layer_until_ - layer_began_);
    if (login_ && login_->key_refused())
      handshake_broken();
    else
      end(layer_timed_out(current_layer(), at_, waited, said()));
    return;
  }
  for (const auto& x : std::vector{channels_})
    x->expire(now);
  for (const auto& x : std::deque{opens_})
    x->expire(now);
  if (opening_ && now >= opening_until_) {
    end(connection_lost(at_, "no answer to the request for a channel within "
                               + to_text(around_.options.open_timeout)));
    return;
  }
  if (now >= idle_until_) {
    end({connection_errc::closed, "connection to " + at_ + ": not needed"});
    return;
  }
  if (now >= keepalive_due_)
    keep_alive();
  visit(now);
}

void session::end(const connection_failure& why) {
  if (over())
    return;
  bool was_established = phase_ == phase::established;
  phase_ = phase::over;
  more_ = false;
  for (const auto& x : std::exchange(channels_, {}))
    x->lost(why);
  for (const auto& x : std::exchange(opens_, {}))
    x->lost(why);
  if (was_established && why.code == connection_errc::closed) {
    libssh2_session_disconnect(handle_.get(), "done");
    handle_.socket.flush();
  }
  handle_.socket.close();
  auto sink = std::exchange(sink_, nullptr);
  if (was_established)
    sink->lost(why);
  else
    sink->failed(why);
}

/// Tells epoll what to watch for; output only while some is waiting.
void session::update_interest() {
  auto fd = handle_.socket.fd();
  if (fd < 0)
    return;
  uint32_t wanted = 0;
  if (!handle_.socket.choked())
    wanted |= EPOLLIN;
  if (handle_.socket.has_output())
    wanted |= EPOLLOUT;
  if (wanted == interest_)
    return;
  epoll_event event = {};
  event.events = wanted;
  event.data.ptr = this;
  epoll_ctl(around_.epoll, EPOLL_CTL_MOD, fd, &event);
  interest_ = wanted;
}

// -- established --------------------------------------------------------------

void session::open(std::shared_ptr<channel> what) {
  opens_.push_back(std::move(what));
}

void session::work() {
  channel_work w{handle_, around_.scratch, now_, around_.options.channel_bytes};
  if (!pump(w) && opens_.empty() && handle_.socket.has_input())
    open(std::make_shared<probe_channel>()); // whose opening reads
  while (!opens_.empty() && !w.broken) {
    auto waiting = opens_.size();
    open_next(w);
    if (opens_.size() == waiting)
      break;
  }
  if (!w.broken)
    run_channels(w);
  if (w.broken) {
    end(connection_lost(at_, "the server " + handle_.broken_text()));
    return;
  }
  more_ = w.more;
  note_idle();
  if (!handle_.socket.end().empty() && !w.more)
    end(connection_lost(at_, "the server " + handle_.socket.end()));
}

/// Has libssh2 take in what arrived, whatever the channels want to read: window
/// grants, requests of the server, the end of channels. False if no channel is
/// there that it could be done with.
bool session::pump(channel_work& w) {
  for (const auto& x : channels_) {
    auto end = ask_remote_end(x->raw());
    w.broken = end == remote_end::broken;
    if (end != remote_end::closed)
      return true;
  }
  return false;
}

/// Opens the first channel in the queue. One at a time: libssh2 keeps the state
/// of an opening in the session.
void session::open_next(channel_work& w) {
  auto what = opens_.front();
  if (!opening_) {
    if (what->done()) { // given up before its turn
      opens_.pop_front();
      return;
    }
    opening_ = true;
    opening_until_ = now_ + around_.options.open_timeout;
    room_soon_ = std::exchange(session_ended_, false);
  }
  auto* raw = libssh2_channel_open_ex(
    handle_.get(), what->type().data(),
    static_cast<unsigned>(what->type().size()),
    around_.options.channel_window_bytes, LIBSSH2_CHANNEL_PACKET_DEFAULT,
    what->message().data(), static_cast<unsigned>(what->message().size()));
  if (raw == nullptr) {
    auto code = libssh2_session_last_errno(handle_.get());
    if (code == LIBSSH2_ERROR_EAGAIN)
      return;
    if (!is_channel_error(code)) {
      w.broken = true;
      return;
    }
  }
  opening_ = false;
  if (raw == nullptr && what->type() == "session"
      && (room_soon_ || session_ended_)) {
    w.more = true; // asks once more
    return;
  }
  opens_.pop_front();
  if (raw == nullptr) {
    auto why = handle_.error_text();
    if (!pass_on(what))
      what->refused(why);
    return;
  }
  channels_.push_back(what);
  what->accept(raw);
}

/// Servers bound the sessions of a connection (MaxSessions). One that refuses a
/// session beside others may allow it on another connection.
bool session::pass_on(const std::shared_ptr<channel>& what) {
  auto is_same = [&what](const auto& x) { return x->type() == what->type(); };
  return !what->done() && take_over_ && what->type() == "session"
         && std::any_of(channels_.begin(), channels_.end(), is_same)
         && take_over_(what);
}

void session::note_idle() {
  auto is_idle = ends_when_idle_ && channels_.empty() && opens_.empty();
  if (!is_idle)
    idle_until_ = time_point::max();
  else if (idle_until_ == time_point::max())
    idle_until_ = now_ + around_.options.idle_linger;
}

void session::run_channels(channel_work& w) {
  auto count = channels_.size();
  size_t moved_max = around_.options.visit_bytes;
  size_t turns = std::max<size_t>(1, moved_max / w.channel_bytes);
  size_t busy = 0;
  first_channel_ = count == 0 ? 0 : first_channel_ % count;
  for (size_t i = 0; i < count && !w.broken; ++i) {
    auto& x = channels_[(first_channel_ + i) % count];
    if (busy == turns) { // the others come first in the next visit
      first_channel_ += i;
      w.more = true;
      break;
    }
    bool more_before = std::exchange(w.more, false);
    x->work(w);
    busy += w.more ? 1 : 0;
    w.more = w.more || more_before;
  }
  std::erase_if(channels_, [this](const auto& x) {
    session_ended_ |= x->done() && x->type() == "session";
    return x->done();
  });
}

/// A peer that is silent for the time of a keep-alive is lost: it is asked
/// three times meanwhile. libssh2 sends none closer than this.
milliseconds session::keepalive_interval() const {
  constexpr milliseconds least{2'000};
  return std::max(to_.keepalive / 3, least);
}

void session::keep_alive() {
  auto interval = keepalive_interval();
  auto heard = handle_.socket.last_received();
  auto silence = std::chrono::floor<milliseconds>(now_ - heard);
  if (silence < interval) {
    keepalives_unanswered_ = 0;
    keepalive_due_ = heard + interval;
    return;
  }
  if (heard >= keepalive_sent_)
    keepalives_unanswered_ = 0;
  auto silence_max = std::max(3 * interval, around_.options.silence_min);
  // Unread input means that this thread was late, not that the peer is dead.
  if (silence >= silence_max && keepalives_unanswered_ >= 2
      && !handle_.socket.has_input()) {
    end(connection_lost(at_, "nothing received for " + to_text(silence)
                               + " and "
                               + std::to_string(keepalives_unanswered_)
                               + " keep-alives unanswered"));
    return;
  }
  if (!channels_.empty()) {
    int seconds_to_next = 0;
    libssh2_keepalive_send(handle_.get(), &seconds_to_next);
  } else if (opens_.empty()) {
    open(std::make_shared<probe_channel>());
  }
  ++keepalives_unanswered_;
  keepalive_sent_ = now_;
  keepalive_due_ = now_ + interval;
}

// -- the layers ---------------------------------------------------------------

std::string session::said() const {
  const auto& head = handle_.socket.head();
  return head.substr(0, head.find('\n'));
}

} // namespace muster::ssh
