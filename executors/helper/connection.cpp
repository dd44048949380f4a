#include "executors/helper/connection.hpp"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <utility>

namespace muster::helper {

namespace {

constexpr size_t piece_bytes = 64u << 10;
constexpr int pieces_per_visit = 4;
constexpr size_t outgoing_max = 256u << 10; ///< stops reading [bytes]

/// A message with one piece of data and room for one descriptor.
struct fd_message {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec piece{};
  msghdr head{};

  fd_message(void* data, size_t size) {
    piece = {data, size};
    head.msg_iov = &piece;
    head.msg_iovlen = 1;
    head.msg_control = control;
    head.msg_controllen = sizeof(control);
  }

  fd_message(const fd_message&) = delete;
  fd_message& operator=(const fd_message&) = delete;

  int received_fd() {
    const auto* item = CMSG_FIRSTHDR(&head);
    if (item == nullptr || item->cmsg_level != SOL_SOCKET
        || item->cmsg_type != SCM_RIGHTS
        || item->cmsg_len != CMSG_LEN(sizeof(int)))
      return -1;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(item), sizeof(fd));
    return fd;
  }
};

} // namespace

bool send_with_fd(const unique_fd& socket, std::string_view bytes, int fd) {
  fd_message message{const_cast<char*>(bytes.data()), bytes.size()};
  auto* item = CMSG_FIRSTHDR(&message.head);
  item->cmsg_level = SOL_SOCKET;
  item->cmsg_type = SCM_RIGHTS;
  item->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(item), &fd, sizeof(fd));
  auto sent = ::sendmsg(socket.get(), &message.head, MSG_NOSIGNAL);
  return sent >= 0 && static_cast<size_t>(sent) == bytes.size();
}

connection::connection(unique_fd fd, takes_over rule)
  : fd_(std::move(fd)),
    rule_(rule) {
}

short connection::events() const {
  short wanted = 0;
  if (!read_closed_ && !closing_ && outgoing_.size() < outgoing_max)
    wanted |= POLLIN;
  if (!outgoing_.empty())
    wanted |= POLLOUT;
  return wanted;
}

void connection::receive() {
  for (int i = 0; i < pieces_per_visit && usable_ && !read_closed_; ++i)
    if (!receive_piece())
      return;
}

/// Returns whether there may be more.
bool connection::receive_piece() {
  char data[piece_bytes];
  fd_message message{data, sizeof(data)};
  if (rule_ == takes_over::no)
    message.head.msg_controllen = 0;
  auto n = ::recvmsg(fd_.get(), &message.head, MSG_CMSG_CLOEXEC);
  if (n < 0) {
    usable_ = usable_ && (errno == EAGAIN || errno == EINTR);
    return false;
  }
  if (rule_ == takes_over::yes)
    if (int fd = message.received_fd(); fd >= 0)
      passed_.reset(fd);
  if (n == 0) {
    at_end();
    return !read_closed_;
  }
  decoder_.feed({data, static_cast<size_t>(n)});
  return static_cast<size_t>(n) == sizeof(data) || passed_;
}

void connection::at_end() {
  if (passed_) {
    fd_ = std::move(passed_);
    rule_ = takes_over::no;
  } else {
    read_closed_ = true;
  }
}

std::optional<frames::frame> connection::next() {
  bool handing_over = static_cast<bool>(passed_);
  if (closing_ || !usable_ || handing_over)
    return std::nullopt;
  auto x = decoder_.next();
  if (x)
    return std::move(*x);
  send(frames::refused{"", x.error().code, x.error().text});
  close_when_drained();
  return std::nullopt;
}

void connection::send(const frames::frame& x) {
  send_bytes(frames::encode(x));
}

void connection::send_bytes(std::string_view bytes) {
  if (!usable_)
    return;
  if (outgoing_.empty()) {
    auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0)
      bytes.remove_prefix(static_cast<size_t>(n));
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
      usable_ = false;
  }
  outgoing_.append(bytes);
  settle();
}

void connection::flush() {
  if (outgoing_.empty() || !usable_)
    return;
  auto n = ::send(fd_.get(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
  if (n > 0)
    outgoing_.erase(0, static_cast<size_t>(n));
  else if (n < 0 && errno != EAGAIN && errno != EINTR)
    usable_ = false;
  settle();
}

void connection::settle() {
  if (closing_ && outgoing_.empty())
    usable_ = false;
}

} // namespace muster::helper
