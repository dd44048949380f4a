#include "executors/helper/connection.hpp"
#include "executors/helper/serve.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muster::helper {

namespace {

constexpr size_t piece_bytes = 64u << 10;

/// Non-blocking while it lives: standard streams are shared with who started
/// us.
class nonblocking_mode {
public:
  explicit nonblocking_mode(int fd) : fd_(fd), flags_(::fcntl(fd, F_GETFL)) {
    ::fcntl(fd_, F_SETFL, flags_ | O_NONBLOCK);
  }

  nonblocking_mode(const nonblocking_mode&) = delete;
  nonblocking_mode& operator=(const nonblocking_mode&) = delete;

  ~nonblocking_mode() {
    ::fcntl(fd_, F_SETFL, flags_);
  }

private:
  int fd_;
  int flags_;
};

/// One direction of the bridge.
class lane {
public:
  lane(int from, int to) : from_(from), to_(to) {
  }

  void add_to(pollfd& in, pollfd& out) const {
    in = {!ended_ && kept_.empty() ? from_ : -1, POLLIN, 0};
    out = {kept_.empty() ? -1 : to_, POLLOUT, 0};
  }

  void move(const pollfd& in, const pollfd& out) {
    if (out.revents != 0)
      push();
    if (in.revents != 0)
      pull();
  }

  /// The source has ended and all of it was passed on.
  bool done() const {
    return broken_ || (ended_ && kept_.empty());
  }

  bool broken() const {
    return broken_;
  }

private:
  void pull() {
    char data[piece_bytes];
    auto n = ::read(from_, data, sizeof(data));
    if (n > 0) {
      kept_.assign(data, static_cast<size_t>(n));
      push();
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      ended_ = true;
    }
  }

  void push() {
    auto n = ::write(to_, kept_.data(), kept_.size());
    if (n > 0)
      kept_.erase(0, static_cast<size_t>(n));
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
      broken_ = true;
  }

  int from_;
  int to_;
  std::string kept_;
  bool ended_ = false;
  bool broken_ = false;
};

/// Ends when the socket has, or when its bytes are not taken any more. The end
/// of stdin alone only says that the manager has no more to ask.
void run_bridge(const unique_fd& socket) {
  lane up{STDIN_FILENO, socket.get()};
  lane down{socket.get(), STDOUT_FILENO};
  bool told_end = false;
  while (!down.done() && !up.broken()) {
    if (up.done() && !std::exchange(told_end, true))
      ::shutdown(socket.get(), SHUT_WR);
    pollfd polled[4];
    up.add_to(polled[0], polled[1]);
    down.add_to(polled[2], polled[3]);
    ::poll(polled, 4, -1);
    up.move(polled[0], polled[1]);
    down.move(polled[2], polled[3]);
  }
}

} // namespace

int connect_streams(const std::string& dir) {
  ::signal(SIGPIPE, SIG_IGN);
  if (::chdir(dir.c_str()) != 0) {
    ::dprintf(STDERR_FILENO, "muster-helper: cannot go to the folder %s: %s\n",
              dir.c_str(), std::strerror(errno));
    return 1;
  }
  auto socket = connect_to("socket");
  if (!socket) {
    ::dprintf(STDERR_FILENO,
              "muster-helper: nobody serves %s (%s); run `muster-helper serve "
              "--dir %s` first\n",
              dir.c_str(), socket.error().text.c_str(), dir.c_str());
    return 1;
  }
  nonblocking_mode in{STDIN_FILENO};
  nonblocking_mode out{STDOUT_FILENO};
  run_bridge(*socket);
  return 0;
}

} // namespace muster::helper
