#include "executors/docker/address.hpp"
#include "executors/helper/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nss.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace muster::docker {

namespace {

using helper::unique_fd;
using std::chrono::steady_clock;

constexpr std::chrono::seconds connect_time{30};

int left_until(deadline until) {
  auto left
    = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
  return static_cast<int>(
    std::clamp<int64_t>(left.count(), 0, 24ll * 3'600 * 1'000));
}

std::string what_to_do(int error) {
  switch (error) {
    case ENOENT:
      return "; is a Docker Engine installed and running there? Set `host` in "
             "[runners.docker] if it listens elsewhere";
    case ECONNREFUSED:
      return "; the Docker Engine is not running: start it "
             "(systemctl start docker) and look at its log";
    case EACCES:
    case EPERM:
      return "; the login user may not use it: add the user to the group "
             "docker (usermod -aG docker USER), and replace the instance or "
             "log in anew";
    default:
      return "";
  }
}

class socket_stream : public byte_stream {
public:
  explicit socket_stream(unique_fd fd) : fd_(std::move(fd)) {
  }

  engine_result<size_t> read(char* to, size_t size, deadline until) override {
    for (;;) {
      auto n = ::recv(fd_.get(), to, size, 0);
      if (n >= 0)
        return static_cast<size_t>(n);
      if (errno == EAGAIN) {
        if (auto ready = wait(POLLIN, until); !ready)
          return tl::unexpected{ready.error()};
      } else if (errno != EINTR) {
        return lost("reading");
      }
    }
  }

  engine_result<void> write(std::string_view bytes, deadline until) override {
    while (!bytes.empty()) {
      auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        bytes.remove_prefix(static_cast<size_t>(n));
      } else if (errno == EAGAIN) {
        if (auto ready = wait(POLLOUT, until); !ready)
          return ready;
      } else if (errno != EINTR) {
        return lost("writing");
      }
    }
    return {};
  }

  void end_writing() override {
    ::shutdown(fd_.get(), SHUT_WR);
  }

  void shut_down() override {
    ::shutdown(fd_.get(), SHUT_RDWR);
  }

private:
  engine_result<void> wait(short events, deadline until) const {
    pollfd ready{fd_.get(), events, 0};
    for (;;) {
      auto n = ::poll(&ready, 1, left_until(until));
      if (n > 0)
        return {};
      if (n == 0)
        return fail(engine_errc::timed_out,
                    "the Docker Engine does not answer in time");
      if (errno != EINTR)
        return lost("poll");
    }
  }

  static tl::unexpected<failure<engine_errc>> lost(const char* doing) {
    return fail(engine_errc::lost,
                std::string{"the connection to the Docker Engine broke ("}
                  + doing + ": " + std::strerror(errno) + ")");
  }

  unique_fd fd_;
};

tl::unexpected<failure<engine_errc>>
unreachable(const address& to, const std::string& why, int error) {
  return fail(engine_errc::unreachable, "the Docker Engine at " + to_string(to)
                                          + " cannot be reached: " + why
                                          + what_to_do(error));
}

int connect_waiting(int fd, const sockaddr* to, socklen_t size) {
  if (::connect(fd, to, size) == 0)
    return 0;
  if (errno != EINPROGRESS && errno != EAGAIN)
    return errno;
  pollfd ready{fd, POLLOUT, 0};
  auto until = steady_clock::now() + connect_time;
  int n = 0;
  do
    n = ::poll(&ready, 1, left_until(until));
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return ETIMEDOUT;
  int error = 0;
  socklen_t error_size = sizeof(error);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
  return error;
}

class socket_dialer : public dialer {
public:
  explicit socket_dialer(address to) : to_(std::move(to)) {
  }

  engine_result<std::unique_ptr<byte_stream>> dial() override {
    return to_.socket.empty() ? dial_tcp() : dial_unix();
  }

private:
  engine_result<std::unique_ptr<byte_stream>> dial_unix() const {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    if (to_.socket.size() >= sizeof(at.sun_path))
      return unreachable(to_, "the socket's path is longer than 107 bytes", 0);
    to_.socket.copy(at.sun_path, sizeof(at.sun_path) - 1);
    // Blocking: a full queue of a busy Engine makes it wait, not fail.
    unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    timeval patience{connect_time.count(), 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience,
                 sizeof(patience));
    if (!fd
        || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at))
             != 0) {
      auto error = errno;
      return unreachable(to_, std::strerror(error), error);
    }
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    return std::make_unique<socket_stream>(std::move(fd));
  }

  engine_result<std::unique_ptr<byte_stream>> dial_tcp() const {
    // A static program must not load the modules that nsswitch.conf may name.
    ::__nss_configure_lookup("hosts", "files dns");
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    auto port = std::to_string(to_.port);
    auto code = ::getaddrinfo(to_.host.c_str(), port.c_str(), &hints, &list);
    if (code != 0)
      return unreachable(to_, ::gai_strerror(code), 0);
    int error = 0;
    unique_fd connected;
    for (auto* x = list; x != nullptr && !connected; x = x->ai_next) {
      unique_fd fd{::socket(x->ai_family,
                            x->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            x->ai_protocol)};
      error = connect_waiting(fd.get(), x->ai_addr, x->ai_addrlen);
      if (error == 0)
        connected = std::move(fd);
    }
    ::freeaddrinfo(list);
    if (!connected)
      return unreachable(to_, std::strerror(error), error);
    keep_alive(connected.get());
    return std::make_unique<socket_stream>(std::move(connected));
  }

  /// A host that vanished shows as a lost connection within a minute or two.
  static void keep_alive(int fd) {
    int on = 1;
    int idle_s = 30;
    int probe_s = 10;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof(probe_s));
  }

  address to_;
};

} // namespace

std::unique_ptr<dialer> make_socket_dialer(const address& to) {
  return std::make_unique<socket_dialer>(to);
}

} // namespace muster::docker
