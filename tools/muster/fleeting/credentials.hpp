#pragma once

#include "tools/muster/fleeting/docker_config.hpp"

#include <string>

namespace muster::fleeting {

/// `config.json` in $DOCKER_CONFIG, else in `~/.docker`.
std::string docker_config_path();

/// Finds out who we are to a registry: from Docker's file, or from the
/// credential helper that it names. What cannot be used is logged, and we are
/// nobody then.
registry_user user_for(const std::string& registry);

/// Keeps a user for a registry: in the file, or by the credential helper that
/// it names. The file is replaced at once, with mode 0600. Returns where.
///
/// Errors: `not_readable`, `not_valid`, `not_writable`; the file is as it was.
result<std::string, config_errc> keep_user(const std::string& registry,
                                           const registry_user& user);

} // namespace muster::fleeting
