#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>
#include <string_view>

namespace muster::fleeting {

/// What a plugin is told by its environment, so that it knows its host.
constexpr auto cookie_name = "FLEETING_INSTANCE_GROUP_PLUGIN";
constexpr auto cookie_value = "4c6410b1-cb78-4962-8c76-ab936d0ea908";

/// Where a plugin listens.
struct endpoint {
  std::string target;      ///< as gRPC writes it
  std::string socket_path; ///< of a unix socket, else empty
};

/// Reads the first line that a plugin prints:
/// `CORE|APP|NETWORK|ADDRESS|PROTOCOL|CERTIFICATE`. Pure.
///
/// Errors: `not_available`: it is no fleeting plugin, or of another version of
/// the protocol. Source: reference/fleeting-plugins, section 2.
result<endpoint, provider_errc> parse_handshake(std::string_view line);

} // namespace muster::fleeting
