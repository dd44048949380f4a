#include "providers/local/ports.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>

namespace muster::local {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

bool wait_for(int fd, short events, deadline by) {
  auto time = std::chrono::ceil<milliseconds>(by - steady_clock::now());
  if (time.count() <= 0)
    return false;
  pollfd ready{fd, events, 0};
  auto limit = std::min<int64_t>(time.count(), 60'000);
  return poll(&ready, 1, static_cast<int>(limit)) == 1;
}

bool connect_to(int fd, uint16_t port, deadline by) {
  auto address = loopback(port);
  auto* where = reinterpret_cast<const sockaddr*>(&address);
  if (connect(fd, where, sizeof address) == 0)
    return true;
  if (errno != EINPROGRESS)
    return false;
  if (!wait_for(fd, POLLOUT, by)) {
    errno = ETIMEDOUT;
    return false;
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  return error == 0;
}

} // namespace

reserved_port reserve_port() {
  reserved_port out;
  unique_fd fd{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  int on = 1;
  auto address = loopback(0);
  auto* where = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (fd.get() < 0
      || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0
      || bind(fd.get(), where, size) != 0
      || getsockname(fd.get(), where, &size) != 0)
    return out;
  out.port = ntohs(address.sin_port);
  out.holder = std::move(fd);
  return out;
}

std::string check_banner(uint16_t port, deadline by) {
  constexpr int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  unique_fd fd{socket(AF_INET, type, 0)};
  if (fd.get() < 0 || !connect_to(fd.get(), port, by))
    return fmt::format("127.0.0.1:{} cannot be connected to: {}", port,
                       std::strerror(errno));
  // With a banner of ours sshd does not log that we hang up.
  constexpr std::string_view ours = "SSH-2.0-muster_heartbeat\r\n";
  send(fd.get(), ours.data(), ours.size(), MSG_NOSIGNAL);
  std::array<char, 4> head{};
  size_t have = 0;
  while (have < head.size()) {
    if (!wait_for(fd.get(), POLLIN, by))
      return fmt::format("127.0.0.1:{} sends no SSH banner in time", port);
    auto size = recv(fd.get(), head.data() + have, head.size() - have, 0);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
      return fmt::format("127.0.0.1:{} hangs up instead of sending a banner",
                         port);
    have += static_cast<size_t>(std::max<ssize_t>(size, 0));
  }
  auto text = std::string_view{head.data(), head.size()};
  return text == "SSH-"
           ? ""
           : fmt::format("127.0.0.1:{} is not an SSH server", port);
}

} // namespace muster::local
