#include "actors/metrics/connection_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

namespace muster {

namespace {

using std::chrono::milliseconds;

constexpr size_t request_bytes_max = 64u << 10;

} // namespace

bool wait_for_socket(int socket, short events,
                     connection_stream::time_point deadline) {
  for (;;) {
    auto left = std::chrono::ceil<milliseconds>(
      deadline - std::chrono::steady_clock::now());
    if (left <= milliseconds{0})
      return false;
    pollfd what{socket, events, 0};
    auto ready = poll(&what, 1, static_cast<int>(left.count()));
    if (ready > 0)
      return true;
    if (ready < 0 && errno != EINTR)
      return false;
  }
}

connection_stream::connection_stream(int socket, time_point read_by,
                                     time_point write_by)
  : socket_(socket),
    read_by_(read_by),
    write_by_(write_by) {
}

bool connection_stream::is_readable() const {
  return begin_ < end_ || wait_for_socket(socket_, POLLIN, read_by_);
}

bool connection_stream::is_writable() const {
  return wait_for_socket(socket_, POLLOUT, write_by_);
}

ssize_t connection_stream::read(char* to, size_t size) {
  // The library reads byte by byte.
  while (begin_ == end_) {
    if (received_bytes_ >= request_bytes_max
        || !wait_for_socket(socket_, POLLIN, read_by_))
      return -1;
    auto got = recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got == 0)
      return 0;
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      return -1;
    begin_ = 0;
    end_ = got > 0 ? static_cast<size_t>(got) : 0;
    received_bytes_ += end_;
  }
  auto count = std::min(size, end_ - begin_);
  std::copy_n(buffer_.data() + begin_, count, to);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t connection_stream::write(const char* from, size_t size) {
  for (;;) {
    if (!wait_for_socket(socket_, POLLOUT, write_by_))
      return -1;
    auto put = send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put >= 0 || (errno != EAGAIN && errno != EINTR))
      return put;
  }
}

void connection_stream::get_remote_ip_and_port(std::string&, int&) const {
}

void connection_stream::get_local_ip_and_port(std::string&, int&) const {
}

socket_t connection_stream::socket() const {
  return socket_;
}

} // namespace muster
