#pragma once

#include "executors/helper/unix_socket.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace muster::local {

using helper::unique_fd;

/// Whose socket is in a loop. Called from the loop's thread; must not block.
class socket_user {
public:
  virtual ~socket_user() = default;

  /// How many bytes may come now; 0 stops reading until `resume`.
  virtual size_t wanted() = 0;

  /// Never empty, never more than `wanted()`.
  virtual void data(std::string_view bytes) = 0;

  /// So many bytes of those to be sent are on their way.
  virtual void sent(size_t) {
  }

  /// The other side writes no more; it may still read.
  virtual void ended() = 0;

  /// The socket is of no more use. Nothing follows.
  virtual void broken(const std::string& why) = 0;
};

using socket_id = uint64_t;

/// Sockets of this machine, moved by one thread, which begins with the first of
/// them. All functions may be called
/// from any thread and return at once; an id that is gone is passed over.
class socket_loop {
public:
  socket_loop();
  socket_loop(const socket_loop&) = delete;
  socket_loop& operator=(const socket_loop&) = delete;

  /// Closes all sockets; nobody is told.
  ~socket_loop();

  /// Takes a connected socket. The user hears of it from now on.
  socket_id add(unique_fd socket, std::shared_ptr<socket_user> user);

  /// Takes a listening socket; each connection is given to `accepted`, in the
  /// loop's thread.
  socket_id listen(unique_fd socket, std::function<void(unique_fd)> accepted);

  void send(socket_id id, std::string bytes);

  /// Nothing is sent behind what was given so far.
  void end_sending(socket_id id);

  void resume(socket_id id);

  /// Closes a socket when all that was given has been sent, within a while. Its
  /// user hears no more.
  void close(socket_id id);

  /// Runs something in the loop's thread.
  void post(std::function<void()> what);

private:
  struct core;

  /// The thread has it, too: who ends this object may be called by the loop.
  std::shared_ptr<core> core_;
  std::thread thread_; ///< begun under the core's mutex
};

} // namespace muster::local
