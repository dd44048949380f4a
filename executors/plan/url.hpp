#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace muster {

/// The parts of `scheme://user:password@host:port/path` as they stand there.
struct git_url {
  std::string scheme;    ///< lower case
  std::string user_info; ///< `user:password`; may be empty
  std::string host;      ///< with the port; empty for `file:///...`
  std::string path;      ///< with its leading slash; still percent-encoded

  /// `scheme://host:port`
  std::string base() const;

  bool is_http() const;
};

/// Errors: nothing for what is not a URL with a scheme, such as a path or
/// `git@host:path`.
std::optional<git_url> parse_git_url(std::string_view text);

/// Returns the URL without user and password; what is not a URL as it is.
std::string without_credentials(std::string_view text);

/// Errors: nothing if a `%` is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text);

} // namespace muster
