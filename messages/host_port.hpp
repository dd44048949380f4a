#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace muster {

/// Where something is reached: a name or an address, without brackets.
struct host_port {
  std::string host;
  std::optional<uint16_t> port; ///< unset: none was given
};

/// What is wrong with the text of an address.
enum class address_fault : uint8_t {
  form, ///< a bracket is not closed, or something else than a port follows it
  port, ///< what stands behind the colon is not 1 to 65535
  host, ///< there is none
};

/// Reads `name`, `1.2.3.4`, `::1` and `[::1]`, each but the bare IPv6 address
/// with an optional `:port`. What the host is made of is not looked at.
tl::expected<host_port, address_fault> read_host_port(std::string_view text);

/// An IPv6 address as it stands before a port: in brackets. Others as they are.
inline std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

} // namespace muster
