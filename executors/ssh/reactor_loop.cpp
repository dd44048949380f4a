#include "executors/ssh/reactor_loop.hpp"

#include "executors/ssh/exec_channel.hpp"
#include "executors/ssh/wire.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace muster::ssh {

namespace {

constexpr size_t scratch_bytes = 64 * 1024;
constexpr auto admit_interval = std::chrono::milliseconds{100};

/// Connections to a server that allows few sessions on each.
constexpr size_t further_max = 64;
/// Their ids; those of callers are smaller.
constexpr connection_id further_base = connection_id{1} << 63;

int make_epoll() {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0)
    throw std::system_error{errno, std::generic_category(), "epoll_create1"};
  return fd;
}

connection_failure no_connection(connection_id id) {
  return {connection_errc::lost,
          "connection " + std::to_string(id) + ": there is none (any more)"};
}

connection_failure closed_by_us(const std::string& what) {
  return {connection_errc::closed, what + ": closed by this manager"};
}

/// Of a further connection: its channels hear of its end themselves.
class no_sink : public connection_sink {
public:
  void connected(const std::string&) override {
  }

  void failed(const connection_failure&) override {
  }

  void lost(const connection_failure&) override {
  }
};

} // namespace

reactor::reactor(ssh_options options)
  : options_{options},
    mailbox_{std::make_shared<mailbox>()},
    scratch_(scratch_bytes),
    around_{options_, counts_, scratch_, make_epoll()} {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.ptr = nullptr; // the mailbox
  epoll_ctl(around_.epoll, EPOLL_CTL_ADD, mailbox_->fd(), &event);
  try {
    thread_ = std::thread{[this] { run(); }};
  } catch (...) {
    close(around_.epoll);
    throw;
  }
}

reactor::~reactor() {
  post([](reactor& x) { x.stop(); });
  thread_.join();
  mailbox_->close();
  sessions_.clear();
  close(around_.epoll);
}

void reactor::run() {
  while (true) {
    now_ = std::chrono::steady_clock::now();
    run_commands();
    if (stopping_)
      break;
    admit_waiting();
    reap();
    wait();
    visit_ready();
    run_timers();
  }
  end_all();
}

void reactor::run_commands() {
  for (auto& command : mailbox_->take())
    command(*this);
}

/// Answers what is there, and what is still asked for in answer to that; a sink
/// that goes on asking is not heard any more.
void reactor::end_all() {
  constexpr int rounds = 16;
  for (int i = 0; i < rounds; ++i) {
    for (auto& [id, x] : sessions_)
      x->state.end(closed_by_us("connection to " + x->state.at()));
    run_commands();
  }
}

int reactor::wait_ms() const {
  if (!ready_.empty())
    return 0;
  auto due = admit_again_;
  if (!timers_.empty())
    due = std::min(due, timers_.begin()->first);
  if (due == time_point::max())
    return -1;
  auto left
    = std::chrono::ceil<milliseconds>(due - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000));
}

void reactor::wait() {
  std::array<epoll_event, 256> events;
  auto count = epoll_wait(around_.epoll, events.data(),
                          static_cast<int>(events.size()), wait_ms());
  now_ = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    auto found = entries_.find(
      static_cast<session*>(events[static_cast<size_t>(i)].data.ptr));
    if (found != entries_.end())
      make_ready(*found->second);
  }
}

void reactor::visit_ready() {
  for (auto* x : std::exchange(ready_, {})) {
    x->ready = false;
    x->state.visit(now_);
    settle(*x);
  }
}

void reactor::run_timers() {
  now_ = std::chrono::steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    auto& x = *sessions_.at(timers_.begin()->second);
    set_timer(x, time_point::max());
    x.state.expire(now_);
    settle(x);
    if (x.timer <= now_) // nothing may keep the loop here
      set_timer(x, now_ + std::chrono::milliseconds{1});
  }
}

/// Lets sessions begin their handshake, a bounded number at a time.
void reactor::admit_waiting() {
  admit_again_ = time_point::max();
  while (!waiting_.empty()) {
    auto* x = find(waiting_.front());
    if (x == nullptr || !x->state.waits_for_turn()) {
      waiting_.pop_front();
      continue;
    }
    auto busy = std::count_if(sessions_.begin(), sessions_.end(),
                              [this](const auto& each) {
                                return each.second->state.in_handshake(now_);
                              });
    if (static_cast<size_t>(busy) >= options_.handshakes_max) {
      admit_again_ = now_ + admit_interval; // one may have stalled by then
      return;
    }
    waiting_.pop_front();
    x->state.admit(now_);
    settle(*x);
  }
}

void reactor::reap() {
  for (auto id : std::exchange(over_, {})) {
    auto found = sessions_.find(id);
    if (found == sessions_.end())
      continue;
    auto* x = found->second.get();
    for (auto other : x->further)
      disconnect(other);
    if (auto* first = find(x->first))
      std::erase(first->further, id);
    set_timer(*x, time_point::max());
    std::erase(ready_, x);
    entries_.erase(&x->state);
    sessions_.erase(found);
  }
}

reactor::entry* reactor::find(connection_id id) {
  auto found = sessions_.find(id);
  return found == sessions_.end() || found->second->state.over()
           ? nullptr
           : found->second.get();
}

void reactor::make_ready(entry& x) {
  if (!std::exchange(x.ready, true))
    ready_.push_back(&x);
}

void reactor::settle(entry& x) {
  if (x.state.over()) {
    over_.push_back(x.id);
    return;
  }
  set_timer(x, x.state.due());
  if (x.state.has_more())
    make_ready(x);
}

void reactor::set_timer(entry& x, time_point at) {
  if (x.timer == at)
    return;
  if (x.timer != time_point::max())
    timers_.erase({x.timer, x.id});
  x.timer = at;
  if (at != time_point::max())
    timers_.emplace(at, x.id);
}

// -- commands -----------------------------------------------------------------

void reactor::connect(connection_id id, dial to,
                      std::shared_ptr<connection_sink> sink) {
  if (stopping_ || sessions_.contains(id)) {
    auto what = "connection to " + to_text(to.where);
    sink->failed(stopping_
                   ? closed_by_us(what)
                   : connection_failure{connection_errc::unreachable,
                                        what + ": the id " + std::to_string(id)
                                          + " is in use"});
    return;
  }
  add_session(id, to, std::move(sink));
}

reactor::entry* reactor::add_session(connection_id id, const dial& to,
                                     std::shared_ptr<connection_sink> sink) {
  auto made = std::make_unique<entry>(around_, to, std::move(sink), now_);
  made->id = id;
  auto* x = made.get();
  x->state.on_full(
    [this, x](const auto& what) { return open_elsewhere(*x, what); });
  entries_[&x->state] = x;
  sessions_[id] = std::move(made);
  settle(*x);
  if (auto numeric = numeric_endpoints(to.where); !numeric.empty())
    resolved(id, std::move(numeric));
  else
    resolver_.resolve(to.where, [box = mailbox_, id](auto found) {
      box->post([id, found = std::move(found)](reactor& self) {
        self.resolved(id, found);
      });
    });
  return x;
}

/// The server allows no further channel of this kind on a connection that has
/// some: the next connection may have room.
bool reactor::open_elsewhere(entry& from,
                             const std::shared_ptr<channel>& what) {
  auto* first = from.first == 0 ? &from : find(from.first);
  if (first == nullptr || stopping_)
    return false;
  auto& others = first->further;
  auto at = std::find(others.begin(), others.end(), from.id);
  auto next = at == others.end() ? others.begin() : at + 1;
  auto* to = next == others.end() ? nullptr : find(*next);
  if (to == nullptr) {
    if (others.size() >= further_max)
      return false;
    auto target = first->target;
    target.pinned = first->state.host_key();
    auto id = further_base + ++further_made_;
    to = add_session(id, target, std::make_shared<no_sink>());
    to->first = first->id;
    to->state.end_when_idle();
    others.push_back(id);
  }
  for (auto& [id, one] : streams_)
    if (one.channel == what)
      one.on = to;
  to->state.open(what);
  make_ready(*to);
  return true;
}

void reactor::resolved(connection_id id,
                       result<std::vector<endpoint>, connection_errc> found) {
  auto* x = find(id);
  if (x == nullptr)
    return;
  x->state.resolved(std::move(found), now_);
  settle(*x);
  if (x->state.waits_for_turn())
    waiting_.push_back(id);
}

void reactor::disconnect(connection_id id) {
  auto* x = find(id);
  if (x == nullptr)
    return;
  x->state.end(closed_by_us("connection to " + x->state.at()));
  settle(*x);
}

void reactor::exec(connection_id id, exec_request what, exec_callback done) {
  auto* x = find(id);
  if (x == nullptr) {
    done(tl::unexpected{stopping_ ? closed_by_us("exec") : no_connection(id)});
    return;
  }
  x->state.open(std::make_shared<exec_channel>(x->state.at(), std::move(what),
                                               std::move(done), counts_, now_));
  make_ready(*x);
}

/// Where a stream is to be opened; null if the sink was told that it cannot be.
reactor::entry* reactor::find_for(connection_id connection, stream_id id,
                                  const std::shared_ptr<stream_sink>& sink) {
  auto* x = find(connection);
  if (x == nullptr) {
    sink->closed(stopping_ ? closed_by_us("stream")
                           : no_connection(connection));
    return nullptr;
  }
  if (streams_.contains(id)) {
    sink->closed({connection_errc::channel_refused,
                  "stream: the id " + std::to_string(id) + " is in use"});
    return nullptr;
  }
  return x;
}

void reactor::add_stream(entry& to, stream_id id,
                         std::shared_ptr<sink_channel> made) {
  streams_[id] = {&to, made};
  to.state.open(std::move(made));
  make_ready(to);
}

void reactor::open_stream(connection_id connection, stream_id id,
                          const std::string& socket_path,
                          std::shared_ptr<stream_sink> sink) {
  if (auto* x = find_for(connection, id, sink))
    add_stream(*x, id,
               std::make_shared<stream_channel>(
                 x->state.at(), socket_path, std::move(sink), options_, counts_,
                 [this, id] { streams_.erase(id); }));
}

void reactor::open_command(connection_id connection, stream_id id,
                           command_request what,
                           std::shared_ptr<stream_sink> sink) {
  if (auto* x = find_for(connection, id, sink))
    add_stream(*x, id,
               std::make_shared<command_channel>(
                 x->state.at(), std::move(what), std::move(sink), options_,
                 counts_, [this, id] { streams_.erase(id); }));
}

void reactor::send(stream_id id, std::string bytes) {
  auto found = streams_.find(id);
  if (found == streams_.end())
    return;
  found->second.channel->send(std::move(bytes));
  make_ready(*found->second.on);
}

void reactor::end_input(stream_id id) {
  auto found = streams_.find(id);
  if (found == streams_.end())
    return;
  found->second.channel->end_input();
  make_ready(*found->second.on);
}

void reactor::resume(stream_id id) {
  auto found = streams_.find(id);
  if (found == streams_.end())
    return;
  found->second.channel->resume();
  make_ready(*found->second.on);
}

void reactor::close_stream(stream_id id) {
  auto found = streams_.find(id);
  if (found == streams_.end())
    return;
  auto one = found->second; // the end of the stream erases the entry
  one.channel->finish(closed_by_us("stream"), now_);
  make_ready(*one.on);
}

} // namespace muster::ssh
