#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace muster::ssh {

/// A server's public key.
struct host_key {
  std::string type; ///< as in the key itself: `ssh-ed25519`, ...
  std::string blob; ///< wire format

  bool operator==(const host_key&) const = default;
};

/// Reads `TYPE BASE64`; what stands behind a further space is a comment.
/// Returns nothing unless both parts are there and agree.
std::optional<host_key> parse_host_key(std::string_view text);

/// Returns nothing for bytes that do not begin with a type.
std::optional<host_key> host_key_of_blob(std::string_view blob);

/// `TYPE BASE64`.
std::string to_text(const host_key& x);

/// `SHA256:...`, as OpenSSH prints it.
std::string fingerprint(const host_key& x);

/// Whether libssh2 1.10 can check a key of this type without SHA-1.
bool can_be_checked(std::string_view type);

/// The types to ask a server for, best first, as libssh2 takes them. A pinned
/// type comes first: a server has several keys, and only that one can be
/// compared.
std::string host_key_preference(std::string_view pinned_type);

} // namespace muster::ssh
