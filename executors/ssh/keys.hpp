#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct evp_pkey_st;

namespace muster::ssh {

/// A user's private key, ready to sign. Immutable; may be used from several
/// threads. libssh2 1.10 itself loads neither ed25519 in PKCS#8 nor can it sign
/// with RSA and SHA-2: so all signatures are made here.
/// Source: reference/platform-notes, section 3.
class private_key {
public:
  /// What the server is to be asked for, best first; every one signs.
  const std::vector<std::string>& algorithms() const {
    return algorithms_;
  }

  /// For people: `an ed25519 key`, `an RSA key of 3072 bits`.
  const std::string& description() const {
    return description_;
  }

  /// The public key as libssh2 takes it: named after the signature algorithm,
  /// which libssh2 copies into request and signature.
  std::string public_blob(std::string_view algorithm) const;

  /// The signature of `data`, without the algorithm's name; nothing if OpenSSL
  /// refuses.
  std::optional<std::string> sign(std::string_view algorithm,
                                  std::string_view data) const;

private:
  friend result<std::shared_ptr<const private_key>, connection_errc>
  parse_private_key(std::string_view text, std::string_view passphrase);

  std::shared_ptr<evp_pkey_st> key_;
  std::vector<std::string> algorithms_;
  std::string description_;
  std::string public_fields_; ///< the public blob behind its name
};

using shared_key = std::shared_ptr<const private_key>;

/// Reads ed25519, ECDSA and RSA keys in PEM (PKCS#1, SEC 1), PKCS#8 and OpenSSH
/// format, each with or without a passphrase; one that is not needed does no
/// harm. With one it may take a second. Errors: `not_authenticated`, with words
/// that never show the key.
result<shared_key, connection_errc>
parse_private_key(std::string_view text, std::string_view passphrase = {});

/// Returns a key that needs no passphrase: `text` as it is, or, if it is
/// protected by `passphrase`, in PKCS#8. Errors: as `parse_private_key`.
result<std::string, connection_errc> unlock_key(const std::string& text,
                                                std::string_view passphrase);

/// Keeps the keys that were used last, by the hash of their text: a key is
/// parsed once, not for each of an instance's dials. Thread-safe.
class key_cache {
public:
  /// As `parse_private_key`.
  result<shared_key, connection_errc> get(const std::string& text);

private:
  std::mutex mutex_;
  std::list<std::pair<std::string, shared_key>> entries_; ///< newest first
};

} // namespace muster::ssh
