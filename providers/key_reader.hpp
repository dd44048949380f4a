#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "messages/secret.hpp"

#include <functional>
#include <string>

namespace muster {

/// Reads the file of a private key, and opens it with its passphrase, which may
/// be empty. Errors: `bad_config`, with the path and without the key.
using key_reader = std::function<result<secret, provider_errc>(
  const std::string& path, const secret& passphrase)>;

} // namespace muster
