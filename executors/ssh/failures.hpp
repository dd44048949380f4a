#pragma once

#include "executors/ssh/host_key.hpp"
#include "executors/transport.hpp"

#include <chrono>
#include <string>
#include <string_view>

/// The texts of what can go wrong: each names the layer, the address, what was
/// waited for and how long, and what to do. `at` is `host:port`.
namespace muster::ssh {

using milliseconds = std::chrono::milliseconds;

/// `10s`, `1.5s`, `500ms`.
std::string to_text(milliseconds x);

/// The layers of a connection, in their order.
enum class layer { name, turn, tcp, banner, key_exchange, authentication };

/// A layer's deadline passed. `seen` is what the server said so far, printable,
/// may be empty.
connection_failure layer_timed_out(layer where, const std::string& at,
                                   milliseconds waited,
                                   const std::string& seen);

/// The peer hung up (`how` says how) before the layer was done.
connection_failure layer_broken(layer where, const std::string& at,
                                const std::string& how,
                                const std::string& seen);

/// `connect` failed with `error_number`.
connection_failure tcp_failed(const std::string& at, int error_number);

/// The server presented another key than the pinned one.
connection_failure host_key_differs(const std::string& at,
                                    const host_key& presented,
                                    const host_key& pinned);

/// What is pinned is not `TYPE BASE64`.
connection_failure pinned_key_unreadable(const std::string& at,
                                         std::string_view pinned);

/// The server does not accept the user. `credential` is `an ed25519 key`, ...;
/// `methods` what it accepts, comma-separated, may be empty.
connection_failure not_authenticated(const std::string& at,
                                     const std::string& user,
                                     const std::string& credential,
                                     const std::string& methods);

/// An established connection broke.
connection_failure connection_lost(const std::string& at,
                                   const std::string& how);

/// The server refused a channel. `reason` is libssh2's text.
connection_failure stream_refused(const std::string& at,
                                  const std::string& socket_path,
                                  const std::string& reason);
connection_failure exec_refused(const std::string& at,
                                const std::string& reason);

/// A command did not end in time.
connection_failure exec_timed_out(const std::string& at, milliseconds waited);

} // namespace muster::ssh
