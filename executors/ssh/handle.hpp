#pragma once

#include "executors/ssh/socket.hpp"

#include <libssh2.h>
#include <string>
#include <string_view>

namespace muster::ssh {

/// A libssh2 session in non-blocking mode on a `buffered_socket`.
class handle {
public:
  explicit handle(tally& counts) : socket{counts} {
  }

  /// Frees the session without network traffic.
  ~handle();

  handle(const handle&) = delete;
  handle& operator=(const handle&) = delete;

  /// Makes the session, restricted to safe methods. Returns false when libssh2
  /// cannot.
  bool create(std::string_view pinned_type);

  LIBSSH2_SESSION* get() const {
    return session_;
  }

  /// What libssh2 says about its last error, printable.
  std::string error_text() const;

  /// How the session broke: the server's own words if it sent some.
  std::string broken_text() const;

  buffered_socket socket;
  std::string
    disconnect_text;    ///< of the server's SSH_MSG_DISCONNECT, printable
  std::string password; ///< answers keyboard-interactive prompts

private:
  LIBSSH2_SESSION* session_ = nullptr;
};

/// Whether libssh2's error concerns one channel alone.
bool is_channel_error(int code);

} // namespace muster::ssh
