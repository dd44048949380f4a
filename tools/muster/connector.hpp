#pragma once

#include "config/load.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>
#include <vector>

namespace muster {

/// Reads the file of a private key, and opens it with `passphrase`, which may
/// be empty. Errors: `bad_config`, with the path, why, and what to do; never
/// with anything of the key.
result<secret, provider_errc> read_private_key(const std::string& path,
                                               const secret& passphrase);

/// What is wrong with the credentials of a group, as far as this machine can
/// tell.
std::vector<connector_fault> connector_faults(const autoscaler_config& group);

} // namespace muster
