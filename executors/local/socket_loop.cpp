#include "executors/local/socket_loop.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster::local {

namespace {

using std::chrono::steady_clock;

constexpr size_t piece_bytes = 64u << 10;
/// For what is left to be sent to one that was closed.
constexpr auto linger = std::chrono::seconds{5};

std::string last_error() {
  return std::strerror(errno);
}

bool is_for_later(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

} // namespace

/// What the object and its thread share.
struct socket_loop::core {
  struct row {
    unique_fd socket;
    std::shared_ptr<socket_user> user; ///< null: closed, or listening
    std::function<void(unique_fd)> accepted;
    std::deque<std::string> output;
    size_t output_begin = 0; ///< of the first
    bool paused = false;     ///< the user wanted nothing
    bool input_over = false;
    bool output_over = false; ///< nothing comes behind `output`
    bool output_shut = false;
    steady_clock::time_point drop_at = steady_clock::time_point::max();
  };

  void post(std::function<void()> what);
  void run();
  void obey();
  void add_to(std::vector<pollfd>& polled, std::vector<socket_id>& ids);
  void handle(socket_id id, short ready);
  static void accept(const row& x);
  void read(socket_id id, row& x);
  void write(socket_id id, row& x);
  void drop(socket_id id, const std::string& why);

  std::mutex mutex; ///< of the next two
  std::vector<std::function<void()>> posted;
  socket_id used = 0;
  unique_fd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  bool over = false; ///< the thread's own, like the rest
  std::map<socket_id, row> rows;
};

socket_loop::socket_loop() : core_(std::make_shared<core>()) {
}

socket_loop::~socket_loop() {
  if (!thread_.joinable())
    return;
  core_->post([x = core_.get()] { x->over = true; });
  if (thread_.get_id() == std::this_thread::get_id())
    thread_.detach();
  else
    thread_.join();
}

socket_id socket_loop::add(unique_fd socket,
                           std::shared_ptr<socket_user> user) {
  std::unique_lock guard{core_->mutex};
  auto id = ++core_->used;
  guard.unlock();
  auto held = std::make_shared<unique_fd>(std::move(socket));
  post([to = core_.get(), id, held, user = std::move(user)]() mutable {
    auto& x = to->rows[id];
    x.socket = std::move(*held);
    x.user = std::move(user);
  });
  return id;
}

socket_id socket_loop::listen(unique_fd socket,
                              std::function<void(unique_fd)> accepted) {
  std::unique_lock guard{core_->mutex};
  auto id = ++core_->used;
  guard.unlock();
  auto held = std::make_shared<unique_fd>(std::move(socket));
  post([to = core_.get(), id, held, accepted = std::move(accepted)]() mutable {
    auto& x = to->rows[id];
    x.socket = std::move(*held);
    x.accepted = std::move(accepted);
  });
  return id;
}

void socket_loop::send(socket_id id, std::string bytes) {
  post([to = core_.get(), id, bytes = std::move(bytes)]() mutable {
    auto found = to->rows.find(id);
    if (found == to->rows.end() || found->second.output_over || bytes.empty())
      return;
    found->second.output.push_back(std::move(bytes));
    to->write(id, found->second);
  });
}

void socket_loop::end_sending(socket_id id) {
  post([to = core_.get(), id] {
    auto found = to->rows.find(id);
    if (found == to->rows.end())
      return;
    found->second.output_over = true;
    to->write(id, found->second);
  });
}

void socket_loop::resume(socket_id id) {
  post([to = core_.get(), id] {
    if (auto found = to->rows.find(id); found != to->rows.end())
      found->second.paused = false;
  });
}

void socket_loop::close(socket_id id) {
  post([to = core_.get(), id] {
    auto found = to->rows.find(id);
    if (found == to->rows.end())
      return;
    auto& x = found->second;
    x.user.reset();
    x.accepted = nullptr;
    x.output_over = true;
    x.drop_at = steady_clock::now() + linger;
    if (x.output.empty())
      to->rows.erase(found);
  });
}

void socket_loop::post(std::function<void()> what) {
  {
    std::lock_guard guard{core_->mutex};
    if (!thread_.joinable())
      thread_ = std::thread{[x = core_] { x->run(); }};
  }
  core_->post(std::move(what));
}

void socket_loop::core::post(std::function<void()> what) {
  {
    std::lock_guard guard{mutex};
    posted.push_back(std::move(what));
  }
  uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(wake.get(), &one, sizeof(one));
}

void socket_loop::core::run() {
  std::vector<pollfd> polled;
  std::vector<socket_id> ids;
  while (!over) {
    polled.assign(1, {wake.get(), POLLIN, 0});
    ids.assign(1, 0);
    add_to(polled, ids);
    int timeout = -1;
    for (const auto& [id, x] : rows)
      if (x.drop_at != steady_clock::time_point::max())
        timeout = 200;
    ::poll(polled.data(), polled.size(), timeout);
    if (polled[0].revents != 0) {
      uint64_t ignored = 0;
      [[maybe_unused]] auto n = ::read(wake.get(), &ignored, sizeof(ignored));
    }
    // First, since a socket may be ready because of what its user did after he
    // had posted.
    obey();
    for (size_t i = 1; i < polled.size(); ++i)
      if (polled[i].revents != 0)
        handle(ids[i], polled[i].revents);
    auto now = steady_clock::now();
    std::erase_if(rows,
                  [now](const auto& row) { return now >= row.second.drop_at; });
  }
  rows.clear();
}

void socket_loop::core::obey() {
  std::vector<std::function<void()>> todo;
  {
    std::lock_guard guard{mutex};
    todo.swap(posted);
  }
  for (auto& x : todo)
    x();
}

void socket_loop::core::add_to(std::vector<pollfd>& polled,
                               std::vector<socket_id>& ids) {
  for (const auto& [id, x] : rows) {
    short events = 0;
    if (x.accepted || (x.user && !x.paused && !x.input_over))
      events |= POLLIN;
    if (!x.output.empty())
      events |= POLLOUT;
    if (events == 0)
      continue;
    polled.push_back({x.socket.get(), events, 0});
    ids.push_back(id);
  }
}

void socket_loop::core::handle(socket_id id, short ready) {
  auto found = rows.find(id);
  if (found == rows.end())
    return;
  if (found->second.accepted) {
    accept(found->second);
    return;
  }
  if ((ready & POLLOUT) != 0)
    write(id, found->second);
  found = rows.find(id);
  if (found != rows.end() && (ready & (POLLIN | POLLHUP | POLLERR)) != 0)
    read(id, found->second);
}

void socket_loop::core::accept(const row& x) {
  auto client = helper::accept_from(x.socket);
  if (client) {
    auto accepted = x.accepted; // it may close the row
    accepted(std::move(client));
  } else if (!is_for_later(errno)) {
    // No descriptors are left: not asked again at once.
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
}

void socket_loop::core::read(socket_id id, row& x) {
  if (!x.user || x.paused || x.input_over)
    return;
  auto user = x.user;
  std::array<char, piece_bytes> piece;
  auto wanted = std::min(user->wanted(), piece.size());
  if (wanted == 0) {
    x.paused = true;
    return;
  }
  auto n = ::read(x.socket.get(), piece.data(), wanted);
  if (n > 0) {
    user->data({piece.data(), static_cast<size_t>(n)});
  } else if (n == 0) {
    x.input_over = true;
    user->ended();
  } else if (!is_for_later(errno)) {
    drop(id, last_error());
  }
}

void socket_loop::core::write(socket_id id, row& x) {
  size_t total = 0;
  while (!x.output.empty()) {
    auto& first = x.output.front();
    auto n = ::send(x.socket.get(), first.data() + x.output_begin,
                    first.size() - x.output_begin, MSG_NOSIGNAL);
    if (n < 0 && is_for_later(errno))
      break;
    if (n < 0) {
      drop(id, last_error());
      return;
    }
    total += static_cast<size_t>(n);
    x.output_begin += static_cast<size_t>(n);
    if (x.output_begin == first.size()) {
      x.output.pop_front();
      x.output_begin = 0;
    }
  }
  auto is_closed = !x.user && x.output_over;
  if (x.output.empty() && x.output_over && !x.output_shut) {
    x.output_shut = true;
    ::shutdown(x.socket.get(), SHUT_WR);
  }
  auto user = x.user;
  if (x.output.empty() && is_closed)
    rows.erase(id);
  if (user && total > 0)
    user->sent(total);
}

void socket_loop::core::drop(socket_id id, const std::string& why) {
  auto user = rows.at(id).user;
  rows.erase(id);
  if (user)
    user->broken(why);
}

} // namespace muster::local
