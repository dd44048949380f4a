#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace muster::helper {

/// An address of HTTP or HTTPS.
struct url {
  bool tls = false;
  std::string user; ///< decoded; empty: no credentials
  std::string password;
  std::string host; ///< IPv6 without brackets
  uint16_t port = 80;
  std::string target = "/"; ///< path and query, as sent
};

/// Reads an absolute URL; nothing for another scheme, a missing host, or
/// characters that do not belong into a request line. What stands behind `#` is
/// left out.
std::optional<url> parse_url(std::string_view text);

/// Reads a `Location`, which may lack scheme and host.
std::optional<url> resolved(const url& base, std::string_view location);

/// Returns `host` or `host:port` as in a Host header.
std::string authority(const url& of);

/// Returns the URL for people: without credentials and query, which may be
/// signatures.
std::string shown(const url& of);

bool same_origin(const url& a, const url& b);

/// Looks up a variable of the environment; empty: not set.
using variable_lookup = std::function<std::string(const std::string&)>;

/// Returns the proxy for a URL after HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in
/// either case; nothing for a direct connection. Hosts of this machine are
/// always reached directly, and in a CGI program (REQUEST_METHOD) HTTP_PROXY is
/// not believed. The text may be no URL: the caller complains.
std::optional<std::string> proxy_for(const url& to,
                                     const variable_lookup& variable);

/// Returns whether one of NO_PROXY's entries means this host: `*`, a domain
/// (with all below it), one with a dot in front (only those below), an address,
/// a CIDR block; each may have a port.
bool is_excluded(const url& to, std::string_view no_proxy);

std::string percent_decoded(std::string_view text);

std::string base64_of(std::string_view bytes);

} // namespace muster::helper
