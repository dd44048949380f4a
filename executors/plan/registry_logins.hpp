#pragma once

#include "messages/error_codes.hpp"
#include "messages/payload.hpp"
#include "messages/result.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Runs `docker-credential-NAME COMMAND` with an input, and returns what it
/// printed. Errors: `not_valid`, with its words.
using credential_program = std::function<result<std::string, config_errc>(
  const std::string& name, const std::string& command,
  const std::string& input)>;

/// Where the logins of a job come from besides its payload.
struct login_sources {
  std::string auth_config; ///< value of DOCKER_AUTH_CONFIG; may be empty
  std::string file;        ///< content of the manager's own file; may be empty
  std::string file_path;   ///< of that
  credential_program ask;
};

/// Collects the logins of a job, in the order in which they count: the variable
/// DOCKER_AUTH_CONFIG, this manager's file of docker's client, the payload's
/// credentials. What cannot be read is told in `warnings`, without what is
/// secret in it.
///
/// Source: reference/docker-executor, section 2.
std::vector<registry_login> collect_logins(const login_sources& from,
                                           const job_payload& payload,
                                           std::vector<std::string>& warnings);

} // namespace muster
