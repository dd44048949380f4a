#include "actors/metrics/server.hpp"

#include "actors/metrics/connection_stream.hpp"
#include "config/log.hpp"
#include "executors/helper/unique_fd.hpp"

#include <algorithm>
#include <atomic>
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
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

constexpr int backlog = 64;
/// Before another try to accept connections.
constexpr std::chrono::seconds accept_pause{1};
/// For a client to take note of the end before the connection is closed.
constexpr std::chrono::milliseconds farewell{1'000};

/// The connections that are served at this moment.
class open_connections {
public:
  void add(int socket) {
    std::lock_guard guard{mutex_};
    sockets_.push_back(socket);
    if (ended_)
      shutdown(socket, SHUT_RDWR);
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

  /// Also those that are yet to come.
  void cut_all() {
    std::lock_guard guard{mutex_};
    ended_ = true;
    for (int x : sockets_)
      shutdown(x, SHUT_RDWR);
  }

private:
  std::mutex mutex_;
  std::list<int> sockets_; ///< oldest first
  bool ended_ = false;
};

/// A thread for each connection that may be open at a time. When all are, the
/// oldest makes room: who accepts waits for that, and for each connection to be
/// known, in the order of their coming.
class bounded_pool {
public:
  /// Throws std::system_error if there can be no such threads.
  bounded_pool(size_t threads, open_connections& open) : open_(open) {
    try {
      while (threads_.size() < threads)
        threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~bounded_pool() {
    stop();
  }

  bounded_pool(const bounded_pool&) = delete;
  bounded_pool& operator=(const bounded_pool&) = delete;

  void enqueue(std::function<void()> task) {
    std::unique_lock guard{mutex_};
    if (idle_ == 0)
      open_.cut_oldest();
    tasks_.push_back(std::move(task));
    is_known_ = false;
    wake_.notify_all();
    wake_.wait(guard, [this] { return is_known_; });
  }

  /// To be called once by each task.
  void knows(int socket) {
    open_.add(socket);
    std::lock_guard guard{mutex_};
    is_known_ = true;
    wake_.notify_all();
  }

  void stop() {
    {
      std::lock_guard guard{mutex_};
      stopped_ = true;
    }
    open_.cut_all();
    wake_.notify_all();
    for (auto& thread : threads_)
      thread.join();
    threads_.clear();
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
      guard.unlock();
      task();
      guard.lock();
    }
  }

  open_connections& open_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool is_known_ = true; ///< the last that was accepted
  bool stopped_ = false;
};

/// The library makes and ends one whenever it begins and ends to listen.
class pool_entrance final : public httplib::TaskQueue {
public:
  explicit pool_entrance(bounded_pool& pool) : pool_(pool) {
  }

  void enqueue(std::function<void()> task) override {
    pool_.enqueue(std::move(task));
  }

  void shutdown() override {
  }

private:
  bounded_pool& pool_;
};

/// cpp-httplib's server on a socket of ours. Its own way of listening would let
/// two processes share a port, and its own streams have a deadline for each
/// byte only.
class http_endpoint final : public httplib::Server {
public:
  /// Throws std::system_error if there can be no threads for it.
  http_endpoint(int listener, std::shared_ptr<const metrics_table> table,
                const metrics_server_options& options)
    : listener_(listener),
      table_(std::move(table)),
      options_(options),
      pool_(options.connections_max, open_) {
    new_task_queue = [this] { return new pool_entrance{pool_}; };
    set_pre_routing_handler([this](const auto& req, auto& res) {
      answer(req, res);
      return HandlerResponse::Handled;
    });
  }

  /// Accepts connections until `end`. The library gives up, and closes its
  /// socket, when one cannot be accepted (too many open files in the system, no
  /// memory): it gets another descriptor of ours then.
  void serve() {
    while (!ended_) {
      svr_sock_ = fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0);
      if (svr_sock_ != INVALID_SOCKET)
        listen_after_bind();
      std::unique_lock guard{mutex_};
      if (ended_)
        break;
      log::warning("the metrics server cannot accept connections: it tries "
                   "again",
                   {{"err", std::strerror(errno)}});
      wake_.wait_for(guard, accept_pause, [this] { return ended_.load(); });
    }
    pool_.stop();
  }

  /// Makes `serve` return, also when it has not begun.
  void end() {
    {
      std::lock_guard guard{mutex_};
      ended_ = true;
    }
    wake_.notify_all();
    ::shutdown(listener_.get(), SHUT_RDWR);
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
    pool_.knows(socket);
    auto now = clock::now();
    connection_stream stream{socket, now + options_.request_max,
                             now + options_.time_max};
    bool closed = false;
    bool done = false;
    try {
      // A scrape is whole: parts of it, many times over, would fill the memory.
      done = process_request(stream, true, closed, [](httplib::Request& what) {
        what.ranges.clear();
      });
    } catch (const std::exception& problem) {
      log::warning("the metrics server could not answer",
                   {{"err", problem.what()}});
    }
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

  const helper::unique_fd listener_;
  const std::shared_ptr<const metrics_table> table_;
  const metrics_server_options options_;
  open_connections open_;
  bounded_pool pool_;
  std::mutex mutex_; ///< of the pause
  std::condition_variable wake_;
  std::atomic<bool> ended_ = false;
};

/// Of an address that this machine does not have.
bool is_absent(int problem) {
  return problem == EAFNOSUPPORT || problem == EADDRNOTAVAIL;
}

/// Returns a listening socket, or -1; `problem` then says why not.
int listen_on(const addrinfo& at, int& problem) {
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
  problem = errno;
  if (fd >= 0)
    ::close(fd);
  return -1;
}

/// Names may have several addresses: that of IPv4 is taken, as GitLab Runner
/// does, unless the machine has none. All addresses of the machine are those of
/// IPv6, which include IPv4. One that is taken is not passed over: who scrapes
/// it would talk to somebody else.
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
    std::vector<const addrinfo*> all;
    for (auto* x = found; x != nullptr; x = x->ai_next)
      all.push_back(x);
    std::ranges::stable_partition(
      all, [](const addrinfo* x) { return x->ai_family == AF_INET; });
    int fd = -1;
    int problem = EADDRNOTAVAIL;
    for (const auto* x : all) {
      fd = listen_on(*x, problem);
      if (fd >= 0 || !is_absent(problem))
        break;
    }
    freeaddrinfo(found);
    if (fd >= 0)
      return fd;
    why = std::strerror(problem);
    if (!is_absent(problem))
      return -1;
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
      http(listener, std::move(table), options),
      thread([this] { http.serve(); }) {
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
  try {
    return std::unique_ptr<metrics_server>{new metrics_server{
      std::make_unique<impl>(listener, bound, std::move(table), options)}};
  } catch (const std::system_error& problem) {
    return fail(config_errc::not_valid,
                fmt::format("the metrics server cannot start its threads: {}",
                            problem.what()));
  }
}

metrics_server::metrics_server(std::unique_ptr<impl> x) : impl_(std::move(x)) {
}

metrics_server::~metrics_server() {
  impl_->http.end();
  impl_->thread.join();
}

listen_address metrics_server::address() const {
  return impl_->at;
}

} // namespace muster
