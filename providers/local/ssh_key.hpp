#pragma once

#include "messages/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster::local {

struct ssh_key {
  secret private_key;     ///< OpenSSH's own format, without a passphrase
  std::string public_key; ///< `ssh-ed25519 BASE64`
};

/// Makes a new ed25519 key; nothing if OpenSSL refuses. Made here since a run
/// of ssh-keygen costs more than the rest of an instance's boot.
std::optional<ssh_key> make_ssh_key();

/// Writes raw ed25519 key material, 32 bytes each, as OpenSSH does. Pure.
/// `check` is any number; OpenSSH writes it twice, to see whether decrypting
/// worked. Source: PROTOCOL.key of OpenSSH.
ssh_key encode_ssh_key(std::string_view seed, std::string_view public_part,
                       uint32_t check);

} // namespace muster::local
