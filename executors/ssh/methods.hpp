#pragma once

#include <optional>
#include <string>
#include <string_view>

struct _LIBSSH2_SESSION;

namespace muster::ssh {

/// What libssh2 1.10 and OpenSSH 7.4 to 9.x have in common, without CBC,
/// arcfour, 3des, MD5 and SHA-1. Cheap key exchanges come first: they run on
/// the reactor's thread.
constexpr const char* key_exchange_methods
  = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
    "ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group14-sha256,"
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512";
constexpr const char* cipher_methods = "aes128-ctr,aes256-ctr,aes192-ctr";
constexpr const char* mac_methods = "hmac-sha2-256,hmac-sha2-512";

/// Restricts a session to the lists above and to host keys of
/// `host_key_preference`. Returns false if libssh2 refuses one: its defaults
/// would then be in force.
bool restrict_methods(_LIBSSH2_SESSION* session, std::string_view pinned_type);

/// What a server offers in its SSH_MSG_KEXINIT: comma-separated names.
struct server_offer {
  std::string key_exchanges;
  std::string host_keys;
  std::string ciphers; ///< client to server
  std::string macs;    ///< client to server
};

/// Finds the offer in the first bytes that a server sent: its banner and the
/// one packet that is always in the clear. Nothing if it is not there (yet).
std::optional<server_offer> parse_offer(std::string_view received);

/// Says what the two sides have not in common, one line, what to do included;
/// empty if nothing is missing.
std::string missing_method(const server_offer& offer);

} // namespace muster::ssh
