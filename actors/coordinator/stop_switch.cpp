#include "actors/coordinator/stop_switch.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muster {

namespace {

/// Makes every use of a socket fail, also a connect that is under way or has
/// not begun: a listening socket cannot connect.
void break_socket(int socket) {
  if (::shutdown(socket, SHUT_RDWR) != 0 && errno == ENOTCONN)
    ::listen(socket, 0);
}

} // namespace

stop_switch::~stop_switch() {
  watch(-1);
}

void stop_switch::watch(int socket) {
  std::lock_guard lock{mutex_};
  if (socket_ >= 0)
    ::close(socket_);
  socket_ = socket >= 0 ? ::fcntl(socket, F_DUPFD_CLOEXEC, 0) : -1;
  if (stopped_ && socket >= 0)
    break_socket(socket);
}

void stop_switch::stop() {
  std::lock_guard lock{mutex_};
  stopped_ = true;
  if (socket_ >= 0)
    break_socket(socket_);
}

} // namespace muster
