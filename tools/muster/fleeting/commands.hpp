#pragma once

#include "messages/secret.hpp"

#include <string>

namespace muster {

// Commands on the plugins that a configuration names. Each returns the exit
// status. (reference/cli, section 2; reference/fleeting-plugins, section 11)

/// Installs the plugins that are not there yet; with `upgrade` also newer
/// versions of those that are.
int install_plugins(const std::string& config_path, bool upgrade);

/// Shows which programs are used. Asks no registry.
int list_plugins(const std::string& config_path);

struct login_options {
  std::string registry = "registry.gitlab.com";
  std::string username;
  secret password;
  bool password_from_stdin = false;
};

/// Keeps a user and a password for a registry. What is missing is asked for.
int login_to_registry(login_options with);

} // namespace muster
