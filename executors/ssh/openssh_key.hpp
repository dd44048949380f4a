#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <memory>
#include <openssl/evp.h>
#include <string_view>

namespace muster::ssh {

/// Whether a text is in OpenSSH's own format.
bool is_openssh_key(std::string_view text);

/// Reads a private key in OpenSSH's own format (PROTOCOL.key), which OpenSSL
/// does not know. With a passphrase it takes as long as `ssh-keygen -a` wanted,
/// 0.3 s by default. Errors: `not_authenticated`.
result<std::shared_ptr<EVP_PKEY>, connection_errc>
parse_openssh_key(std::string_view text, std::string_view passphrase = {});

} // namespace muster::ssh
