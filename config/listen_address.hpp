#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// Where a server listens.
struct listen_address {
  std::string host; ///< a name or an address; empty: all of this machine
  uint16_t port = 9252;

  /// `[::1]:9252`
  std::string text() const;

  bool operator==(const listen_address&) const = default;
};

/// Reads `[host]:port`, `host`, `:port`; the addresses of IPv6 stand in
/// brackets. Errors: `not_valid`, with what to write instead.
///
/// Source: reference/config, `listen_address`.
result<listen_address, config_errc> parse_listen_address(std::string_view text);

} // namespace muster
