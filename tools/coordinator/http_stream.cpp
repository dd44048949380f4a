#include "tools/coordinator/http_stream.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

namespace muster::gitlab {

namespace {

constexpr size_t input_size = 64 * 1024;
constexpr size_t output_max = 64 * 1024; ///< sent when so much is gathered
/// A peer that neither sends the rest of its request nor takes our answer.
constexpr std::chrono::seconds patience{60};

void name_of(const sockaddr_storage& address, std::string& ip, int& port) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    port = ntohs(in.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    port = ntohs(in.sin6_port);
  }
  ip = text;
}

/// What a TLS call that did nothing waits for; 0 when it failed for good.
short awaited(SSL* tls, int outcome) {
  switch (SSL_get_error(tls, outcome)) {
    case SSL_ERROR_WANT_READ:
      return POLLIN;
    case SSL_ERROR_WANT_WRITE:
      return POLLOUT;
    default:
      ERR_clear_error();
      return 0;
  }
}

} // namespace

http_stream::http_stream(int socket, int stop_fd, ssl_st* tls)
  : socket_(socket),
    stop_fd_(stop_fd),
    tls_(tls),
    input_(input_size) {
}

bool http_stream::shake_hands(std::chrono::milliseconds timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto outcome = SSL_accept(tls_);
    if (outcome == 1)
      return true;
    auto events = awaited(tls_, outcome);
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    if (events == 0 || left.count() <= 0 || !wait_for(events, left)) {
      broken_ = true;
      return false;
    }
  }
}

ssize_t http_stream::receive(char* to, size_t size, short& again) {
  again = 0;
  if (tls_ != nullptr) {
    auto got = SSL_read(tls_, to, static_cast<int>(size));
    if (got > 0)
      return got;
    if (SSL_get_error(tls_, got) == SSL_ERROR_ZERO_RETURN)
      return 0;
    again = awaited(tls_, got);
    return -1;
  }
  for (;;) {
    auto got = recv(socket_, to, size, MSG_DONTWAIT);
    if (got >= 0)
      return got;
    if (errno == EINTR)
      continue;
    again = errno == EAGAIN ? POLLIN : 0;
    return -1;
  }
}

ssize_t http_stream::transmit(const char* from, size_t size, short& again) {
  again = 0;
  if (tls_ != nullptr) {
    auto sent = SSL_write(tls_, from, static_cast<int>(size));
    if (sent <= 0)
      again = awaited(tls_, sent);
    return sent > 0 ? sent : -1;
  }
  for (;;) {
    auto sent = send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
      return sent;
    if (errno == EINTR)
      continue;
    again = errno == EAGAIN ? POLLOUT : 0;
    return -1;
  }
}

bool http_stream::wait_for(short events,
                           std::chrono::milliseconds timeout) const {
  pollfd fds[] = {{socket_, events, 0}, {stop_fd_, POLLIN, 0}};
  auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    auto count = poll(fds, 2, std::max<int>(0, static_cast<int>(left.count())));
    if (count < 0 && errno == EINTR)
      continue;
    return count > 0 && fds[1].revents == 0 && fds[0].revents != 0;
  }
}

bool http_stream::wait_readable(std::chrono::milliseconds timeout) {
  if (input_at_ < input_end_ || (tls_ != nullptr && SSL_pending(tls_) > 0))
    return true;
  return !broken_ && wait_for(POLLIN, timeout);
}

bool http_stream::is_readable() const {
  return !broken_ && (input_at_ < input_end_ || wait_for(POLLIN, patience));
}

bool http_stream::is_writable() const {
  return !broken_ && !discard_;
}

bool http_stream::connected() const {
  pollfd fds[] = {{socket_, POLLRDHUP, 0}, {stop_fd_, POLLIN, 0}};
  return !broken_ && poll(fds, 2, 0) == 0;
}

ssize_t http_stream::read(char* to, size_t size) {
  if (input_at_ == input_end_) {
    if (!flush()) // a "100 Continue" that the peer waits for
      return -1;
    for (;;) {
      short again = 0;
      auto got = receive(input_.data(), input_.size(), again);
      if (got > 0) {
        input_at_ = 0;
        input_end_ = static_cast<size_t>(got);
        break;
      }
      if (got == 0)
        return 0;
      if (again == 0 || !wait_for(again, patience)) {
        broken_ = true;
        return -1;
      }
    }
  }
  auto count = std::min(size, input_end_ - input_at_);
  std::memcpy(to, input_.data() + input_at_, count);
  input_at_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t http_stream::write(const char* from, size_t size) {
  if (discard_ || broken_)
    return -1;
  output_.append(from, size);
  if (cut_ == 0 && output_.size() >= output_max && !flush())
    return -1;
  return static_cast<ssize_t>(size);
}

bool http_stream::flush() {
  if (discard_ || broken_)
    return false;
  if (cut_ > 0 && !output_.empty())
    output_.resize(output_.size() - std::min(cut_, output_.size()));
  bool sent = send_all(output_.data(), output_.size());
  output_.clear();
  broken_ |= !sent;
  return sent;
}

bool http_stream::send_all(const char* from, size_t size) {
  while (size > 0) {
    short again = 0;
    auto count = transmit(from, size, again);
    if (count >= 0) {
      from += count;
      size -= static_cast<size_t>(count);
    } else if (again == 0 || !wait_for(again, patience)) {
      return false;
    }
  }
  return true;
}

void http_stream::linger(std::chrono::milliseconds timeout) {
  if (tls_ != nullptr)
    SSL_shutdown(tls_);
  ::shutdown(socket_, SHUT_WR);
  auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !wait_for(POLLIN, left))
      return;
    if (recv(socket_, input_.data(), input_.size(), MSG_DONTWAIT) <= 0)
      return;
  }
}

void http_stream::discard_output() {
  discard_ = true;
  output_.clear();
}

void http_stream::cut_tail(size_t bytes) {
  cut_ = bytes;
}

bool http_stream::usable() const {
  return !broken_ && !discard_ && cut_ == 0;
}

void http_stream::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    name_of(address, ip, port);
}

void http_stream::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    name_of(address, ip, port);
}

socket_t http_stream::socket() const {
  return socket_;
}

} // namespace muster::gitlab
