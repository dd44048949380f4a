#pragma once

#include "actors/coordinator/api_client.hpp"

#include <string>

namespace muster {

/// How a GitLab is reached.
struct gitlab_address {
  std::string url;
  std::string tls_ca_file;
  std::string tls_cert_file;
  std::string tls_key_file;
};

/// What this program's HTTP clients have in common.
api_settings gitlab_settings(const std::string& url);

/// The certificates for it: as configured, else by the name of its host.
certificate_files certificates_for(const gitlab_address& to);

/// What GitLab is told of this program.
manager_info info_of_manager(const std::string& executor);

} // namespace muster
