#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster {

/// Where an HTTP server is.
struct url_parts {
  bool tls = false;
  std::string user; ///< before the host, unescaped; may be empty
  std::string password;
  std::string host; ///< without the brackets of an IPv6 address
  int port = 0;
  std::string path; ///< begins with `/` or is empty; with its query

  bool operator==(const url_parts&) const = default;
};

/// Reads an absolute `http` or `https` URL. Errors: `rejected`; the text leaves
/// out what may be a password.
result<url_parts, coordinator_errc> parse_url(std::string_view url);

/// The API of a runner's `url`: its path ends in `/api/v4/`
/// (reference/job-api, section 1). Errors as above.
result<url_parts, coordinator_errc> api_url(std::string_view runner_url);

/// Value of the header `Host`: the port is left out where it is the scheme's.
std::string host_header(const url_parts& x);

/// Scheme, host and port, for messages.
std::string origin_text(const url_parts& x);

/// The proxy variables of a process's environment, each in upper case or, where
/// that is not set, lower case.
struct proxy_environment {
  std::string http = {};    ///< HTTP_PROXY
  std::string https = {};   ///< HTTPS_PROXY
  std::string exclude = {}; ///< NO_PROXY
};

proxy_environment read_proxy_environment();

/// Returns the proxy for requests to `target`, nothing if they go there
/// directly: also everything on loopback. Errors: `rejected` when the proxy's
/// URL cannot be used.
result<std::optional<url_parts>, coordinator_errc>
proxy_for(const url_parts& target, const proxy_environment& env);

} // namespace muster
