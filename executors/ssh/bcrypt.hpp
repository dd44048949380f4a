#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::ssh {

/// The key derivation of OpenSSH's private keys (`bcrypt_pbkdf`), which OpenSSL
/// does not have. Slow on purpose: some 15 ms for each of `rounds`. Not for the
/// reactor's thread.
///
/// @pre neither `passphrase` nor `salt` is empty; 0 < size <= 1024, rounds > 0
std::string bcrypt_key(std::string_view passphrase, std::string_view salt,
                       uint32_t rounds, size_t size);

} // namespace muster::ssh
