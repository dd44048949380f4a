#include "executors/ssh/socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muster::ssh {

namespace {

constexpr size_t congested_bytes = 256 * 1024;
constexpr size_t choked_bytes = 1024 * 1024;
constexpr size_t kept_capacity_bytes = 64 * 1024;
constexpr size_t head_bytes_max = 8 * 1024;

} // namespace

void buffered_socket::adopt(int fd, time_point now) {
  close();
  fd_ = fd;
  now_ = now;
  last_received_ = now;
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void buffered_socket::close() {
  if (fd_ >= 0)
    ::close(fd_);
  fd_ = -1;
}

void buffered_socket::begin_visit(size_t bytes, time_point now) {
  visit_bytes_left_ = bytes;
  drained_ = false;
  now_ = now;
}

void buffered_socket::flush() {
  while (has_output() && fd_ >= 0 && !send_failed_) {
    auto sent = ::send(fd_, out_.data() + out_first_, out_.size() - out_first_,
                       MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0) {
      send_failed_ = errno != EAGAIN && errno != EWOULDBLOCK;
      break;
    }
    counts_.bytes_out += static_cast<uint64_t>(sent);
    out_first_ += static_cast<size_t>(sent);
  }
  if (has_output() && !send_failed_)
    return;
  out_.clear();
  out_first_ = 0;
  if (out_.capacity() > kept_capacity_bytes)
    out_.shrink_to_fit();
}

bool buffered_socket::congested() const {
  return out_.size() - out_first_ > congested_bytes;
}

bool buffered_socket::choked() const {
  return out_.size() - out_first_ > choked_bytes;
}

bool buffered_socket::has_input() const {
  char byte = 0;
  auto got = recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0
         || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void buffered_socket::forget_head() {
  head_wanted_ = false;
  head_.clear();
  head_.shrink_to_fit();
}

ssize_t buffered_socket::receive(void* buffer, size_t size, int flags) {
  if (muted_)
    return -ECONNRESET;
  if (drained_ || visit_bytes_left_ == 0 || !end_.empty() || choked())
    return -EAGAIN;
  auto got = recv(fd_, buffer, std::min(size, visit_bytes_left_),
                  flags | MSG_DONTWAIT);
  if (got > 0) {
    // Without this sshd's small answers meet delayed acknowledgements: 40 ms
    // each (reference/platform-notes, section 3).
    int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    visit_bytes_left_ -= static_cast<size_t>(got);
    last_received_ = now_;
    counts_.bytes_in += static_cast<uint64_t>(got);
    if (head_wanted_ && head_.size() < head_bytes_max)
      head_.append(
        static_cast<const char*>(buffer),
        std::min(static_cast<size_t>(got), head_bytes_max - head_.size()));
    return got;
  }
  bool nothing_yet
    = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  if (got == 0)
    end_ = "closed the connection";
  else if (!nothing_yet)
    end_ = std::string{"broke the connection ("} + std::strerror(errno) + ")";
  else if (send_failed_)
    end_ = "does not take data any more (broken pipe)";
  drained_ = true;
  return -EAGAIN;
}

ssize_t buffered_socket::send(const void* bytes, size_t size) {
  if (!muted_ && !send_failed_)
    out_.append(static_cast<const char*>(bytes), size);
  return static_cast<ssize_t>(size);
}

} // namespace muster::ssh
