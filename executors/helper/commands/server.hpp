#pragma once

#include "executors/helper/commands/flags.hpp"
#include "executors/helper/http/client.hpp"

#include <string>
#include <vector>

namespace muster::helper {

/// Which job to speak of, and with which GitLab.
struct job_credentials {
  std::string server; ///< CI_SERVER_URL, maybe with a base path
  std::string token;
  int64_t job = 0;
  tls_settings tls;
};

/// Adds the flags for these.
void add_flags(std::vector<flag>& to, job_credentials& of);

/// Returns what is missing, nothing if all is there.
std::optional<std::string> missing_in(const job_credentials& of);

/// Returns the address of a job's artifacts; nothing if the server's URL is
/// none. Values of `query` are encoded, empty ones left out.
std::optional<url>
artifacts_url(const job_credentials& of,
              const std::vector<std::pair<std::string, std::string>>& query);

/// Returns 32 hexadecimal digits by chance: each request to GitLab has an
/// X-Request-Id of its own.
std::string fresh_digits();

/// Returns a query's value with all but the plainest characters encoded.
std::string percent_encoded(std::string_view text);

} // namespace muster::helper
