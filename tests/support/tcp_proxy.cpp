#include "tests/support/tcp_proxy.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace muster::test {

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in where = {};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(port);
  return where;
}

bool send_all(int to, const char* bytes, ssize_t size) {
  while (size > 0) {
    auto n = ::send(to, bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    bytes += n;
    size -= n;
  }
  return true;
}

/// Closed so, the peer gets a reset: what was on its way is lost.
void reset(int fd) {
  linger hard{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

} // namespace

tcp_proxy::tcp_proxy(uint16_t to, budget next_budget)
  : to_(to),
    next_budget_(std::move(next_budget)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto where = loopback(0);
  socklen_t size = sizeof where;
  auto* address = reinterpret_cast<sockaddr*>(&where);
  if (::bind(listener_, address, size) != 0 || ::listen(listener_, 64) != 0
      || ::getsockname(listener_, address, &size) != 0)
    throw std::runtime_error("no port for a proxy");
  port_ = ntohs(where.sin_port);
  acceptor_ = std::thread{[this] { run(); }};
}

tcp_proxy::~tcp_proxy() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  cut_all();
  for (auto& x : threads_)
    x.join();
  ::close(listener_);
}

size_t tcp_proxy::open() {
  std::lock_guard lock{mutex_};
  return clients_.size();
}

void tcp_proxy::cut_all() {
  std::lock_guard lock{mutex_};
  for (int x : clients_) {
    reset(x);
    ::shutdown(x, SHUT_RDWR);
  }
}

void tcp_proxy::run() {
  while (!stopping_) {
    int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0)
      continue;
    auto left = next_budget_ ? next_budget_() : -1;
    std::lock_guard lock{mutex_};
    clients_.push_back(client);
    threads_.emplace_back([this, client, left] { forward(client, left); });
  }
}

void tcp_proxy::forward(int client, int64_t left) {
  int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto where = loopback(to_);
  auto open
    = ::connect(server, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0;
  while (open) {
    pollfd ends[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (::poll(ends, 2, -1) < 0)
      break;
    char bytes[16'384];
    if (ends[0].revents != 0) {
      auto n = ::recv(client, bytes, sizeof bytes, 0);
      open = n > 0 && send_all(server, bytes, n);
    }
    if (open && ends[1].revents != 0) {
      auto n = ::recv(server, bytes, sizeof bytes, 0);
      if (n > 0 && left >= 0 && n >= left) {
        send_all(client, bytes, left);
        reset(client);
        ++cuts_;
        open = false;
      } else {
        open = n > 0 && send_all(client, bytes, n);
        left -= left >= 0 ? n : 0;
      }
    }
  }
  std::lock_guard lock{mutex_};
  std::erase(clients_, client);
  ::close(client);
  ::close(server);
}

} // namespace muster::test
