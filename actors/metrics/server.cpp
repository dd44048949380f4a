#include "actors/metrics/server.hpp"

#include "actors/metrics/connection_stream.hpp"

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <list>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

constexpr int backlog = 64;
/// For a client to take note of the end before the connection is closed.
constexpr std::chrono::milliseconds farewell{1'000};

/// The connections that are served at this moment.
class open_connections {
public:
  void add(int socket) {
    std::lock_guard guard{mutex_};
    sockets_.push_back(socket);
  }

  void close(int socket) {
    std::lock_guard guard{mutex_};
    sockets_.remove(socket);
    ::close(socket);
  }

  void cut_oldest() {
    std::lock_guard guard{mutex_};
    if (!sockets_.empty())
      shutdown(sockets_.front(), SHUT_RDWR);
  }

  void cut_all() {
    std::lock_guard guard{mutex_};
    for (int x : sockets_)
      shutdown(x, SHUT_RDWR);
  }

private:
  std::mutex mutex_;
  std::list<int> sockets_; ///< oldest first
};

/// Threads as many as there are connections, up to a bound; idle ones are used
/// again. Beyond it the oldest connection makes room: who accepts waits for
/// that.
class bounded_pool final : public httplib::TaskQueue {
public:
  bounded_pool(size_t threads_max, open_connections& open)
    : threads_max_(threads_max),
      open_(open) {
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock guard{mutex_};
    if (idle_ == 0 && threads_.size() == threads_max_)
      open_.cut_oldest();
    tasks_.push_back(std::move(task));
    if (tasks_.size() > idle_ && threads_.size() < threads_max_)
      threads_.emplace_back([this] { work(); });
    wake_.notify_all();
    wake_.wait(guard, [this] { return tasks_.empty(); });
  }

  void shutdown() override {
    {
      std::lock_guard guard{mutex_};
      stopped_ = true;
    }
    open_.cut_all();
    wake_.notify_all();
    for (auto& thread : threads_)
      thread.join();
  }

private:
  void work() {
    std::unique_lock guard{mutex_};
    for (;;) {
      ++idle_;
      wake_.wait(guard, [this] { return stopped_ || !tasks_.empty(); });
      --idle_;
      if (tasks_.empty())
        return;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      wake_.notify_all();
      guard.unlock();
      task();
      guard.lock();
    }
  }

  const size_t threads_max_;
  open_connections& open_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopped_ = false;
};

/// cpp-httplib's server on a socket of ours. Its own way of listening would let
/// two processes share a port, and its own streams have a deadline for each
/// byte only.
class http_endpoint final : public httplib::Server {
public:
  http_endpoint(int listener, std::shared_ptr<const metrics_table> table,
                const metrics_server_options& options)
    : table_(std::move(table)),
      options_(options) {
    svr_sock_ = listener;
    new_task_queue = [this] {
      return new bounded_pool{options_.connections_max, open_};
    };
    set_pre_routing_handler([this](const auto& req, auto& res) {
      answer(req, res);
      return HandlerResponse::Handled;
    });
  }

  /// Makes `listen_after_bind` return, also when it has not begun. Returns the
  /// socket, which is to be closed when it has.
  int end() {
    auto listener = svr_sock_.exchange(INVALID_SOCKET);
    ::shutdown(listener, SHUT_RDWR);
    return listener;
  }

private:
  void answer(const httplib::Request& req, httplib::Response& res) const {
    constexpr auto plain = "text/plain; charset=utf-8";
    if (req.path == "/metrics") {
      if (req.method == "GET" || req.method == "HEAD") {
        res.set_content(table_->text(),
                        "text/plain; version=0.0.4; charset=utf-8");
        return;
      }
      res.status = 405;
      res.set_header("Allow", "GET, HEAD");
      res.set_content("Method Not Allowed\n", plain);
    } else if (req.path == "/debug/jobs/list") {
      res.set_header("X-List-Version", "2");
      res.set_content(table_->jobs_text(), plain);
    } else if (req.path == "/debug/process/state") {
      res.set_content(to_string(table_->state()) + "\n", plain);
    } else if (req.path == "/health/ready") {
      auto ready = table_->state() != process_state::starting;
      res.status = ready ? 200 : 503;
      res.set_content(ready ? "ready" : "boot-verify pending", plain);
    } else {
      res.status = 404;
      res.set_content("404 page not found\n", plain);
    }
  }

  bool process_and_close_socket(socket_t socket) override {
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    open_.add(socket);
    auto now = clock::now();
    connection_stream stream{socket, now + options_.request_max,
                             now + options_.time_max};
    bool closed = false;
    auto done = process_request(stream, true, closed, nullptr);
    // What the client still sends would make the answer be lost.
    ::shutdown(socket, SHUT_WR);
    auto until = std::min(clock::now() + farewell, now + options_.time_max);
    char dropped[4096];
    while (done && wait_for_socket(socket, POLLIN, until)
           && recv(socket, dropped, sizeof dropped, MSG_DONTWAIT) > 0)
      ;
    open_.close(socket);
    return done;
  }

  const std::shared_ptr<const metrics_table> table_;
  const metrics_server_options options_;
  open_connections open_;
};

/// Returns a listening socket, or -1; `why` then says why not.
int listen_on(const addrinfo& at, std::string& why) {
  auto fd = socket(at.ai_family, at.ai_socktype | SOCK_CLOEXEC, 0);
  int yes = 1;
  int no = 0;
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (at.ai_family == AF_INET6) // and IPv4, where no address was given
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, at.ai_addr, at.ai_addrlen) == 0 && ::listen(fd, backlog) == 0)
      return fd;
  }
  why = std::strerror(errno);
  if (fd >= 0)
    ::close(fd);
  return -1;
}

/// Names may have several addresses: the first that can be had is taken. All
/// addresses of the machine are those of IPv6, which include IPv4.
int listen_at(const listen_address& at, std::string& why) {
  auto port = std::to_string(at.port);
  std::vector<const char*> hosts{at.host.c_str()};
  if (at.host.empty())
    hosts = {"::", "0.0.0.0"};
  for (const auto* host : hosts) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (auto code = getaddrinfo(host, port.c_str(), &hints, &found);
        code != 0) {
      why = gai_strerror(code);
      continue;
    }
    int fd = -1;
    for (auto* x = found; x != nullptr && fd < 0; x = x->ai_next)
      fd = listen_on(*x, why);
    freeaddrinfo(found);
    if (fd >= 0)
      return fd;
  }
  return -1;
}

uint16_t port_of(int listener) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    return 0;
  return ntohs(bound.ss_family == AF_INET6
                 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                 : reinterpret_cast<sockaddr_in&>(bound).sin_port);
}

} // namespace

struct metrics_server::impl {
  impl(int listener, listen_address where,
       std::shared_ptr<const metrics_table> table,
       const metrics_server_options& options)
    : at(std::move(where)),
      http(listener, std::move(table), options) {
    thread = std::thread{[this] { http.listen_after_bind(); }};
  }

  listen_address at;
  http_endpoint http;
  std::thread thread;
};

result<std::unique_ptr<metrics_server>, config_errc>
metrics_server::start(const listen_address& at,
                      std::shared_ptr<const metrics_table> table,
                      const metrics_server_options& options) {
  std::string why;
  auto listener = listen_at(at, why);
  if (listener < 0)
    return fail(config_errc::not_valid,
                fmt::format("the metrics server cannot listen on {}: {}; free "
                            "the address or change listen_address",
                            at.text(), why));
  auto bound = at;
  bound.port = port_of(listener);
  return std::unique_ptr<metrics_server>{new metrics_server{
    std::make_unique<impl>(listener, bound, std::move(table), options)}};
}

metrics_server::metrics_server(std::unique_ptr<impl> x) : impl_(std::move(x)) {
}

metrics_server::~metrics_server() {
  auto listener = impl_->http.end();
  impl_->thread.join();
  ::close(listener);
}

listen_address metrics_server::address() const {
  return impl_->at;
}

} // namespace muster
