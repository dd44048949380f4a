#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

namespace muster::ssh {

/// Where an SSH server listens.
struct address {
  std::string host; ///< name, IPv4 or IPv6 without brackets
  uint16_t port = 22;
};

/// Reads `name`, `1.2.3.4`, `::1`, `[::1]`, each but a bare IPv6 address with
/// an optional `:port` that wins over `port`. Errors: `unreachable` for an
/// empty host or a bad port. Source: reference/fleeting-plugins, section 8.
result<address, connection_errc> parse_address(std::string_view host,
                                               uint16_t port);

/// `host:port`, an IPv6 address in brackets.
std::string to_text(const address& x);

/// An address as `connect` takes it.
struct endpoint {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

/// Returns the endpoint of a numeric address, nothing for a name. Never blocks.
std::vector<endpoint> numeric_endpoints(const address& x);

/// Asks the system for the endpoints of a name. Blocks for as long as name
/// servers do. Errors: `unreachable`.
result<std::vector<endpoint>, connection_errc>
resolve_blocking(const address& x);

} // namespace muster::ssh
