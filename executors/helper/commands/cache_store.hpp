#pragma once

#include "executors/helper/commands/env_file.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/transfer.hpp"
#include "executors/helper/http/client.hpp"

#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

namespace muster::helper {

/// Where a cache is kept: a presigned URL, or a bucket with temporary
/// credentials (`azblob://`, `s3://`), or nowhere.
struct cache_place {
  std::string url;
  std::string gocloud_url;
};

inline bool has_place(const cache_place& of) {
  return !of.url.empty() || !of.gocloud_url.empty();
}

/// What both cache commands are told.
struct cache_options {
  std::string file;
  std::string alternate_file;
  std::string env_file;
  std::vector<std::string> headers;
  int64_t timeout_minutes = 10;
  retry_options retry;
  std::chrono::nanoseconds meter{0};
  int64_t buffer_bytes = 0; ///< these three are taken and have no effect: an
  int64_t chunk_bytes = 0;  ///< archive goes in one request
  int64_t concurrency = 0;
};

/// Reads a command's arguments; `own` are the flags that the other one has not.
///
/// Returns the environment of `--env-file`. Errors: `failed`: what is wrong.
result<variables, helper_errc>
read_cache_options(const std::vector<std::string>& arguments, cache_options& to,
                   std::vector<flag> own);

http_timeouts timeouts_of(const cache_options& options);

/// The last name of a path.
std::string base_of(const std::string& path);

/// Makes a request for an object.
/// @param environment what the env file says: credentials
/// @param headers `Name: value` lines, for presigned URLs
/// Errors: `failed`: no URL, a scheme that is not supported, credentials that
/// are missing; the text has no query and no secret.
result<http_request, helper_errc>
cache_request(const std::string& method, const cache_place& place,
              const variables& environment,
              const std::vector<std::string>& headers);

/// Reads an HTTP date (`Mon, 02 Jan 2006 15:04:05 GMT`) [s since 1970].
std::optional<int64_t> http_date(const std::string& text);

/// Writes one.
std::string http_date_of(int64_t seconds);

/// Returns what an answer says of an object (`x-amz-meta-cachekey`, and the
/// same of other stores), as JSON; empty if that is nothing.
std::string metadata_in(const response_head& of);

/// Keeps metadata beside a local archive. Errors: `failed`.
outcome keep_metadata(const std::string& archive, const std::string& json);

/// Returns the TLS settings of the job's variables (CI_SERVER_TLS_CA_FILE): a
/// store may have a certificate of the same authority as GitLab.
tls_settings tls_from_environment();

/// What a HEAD said of an object; nothing known counts as there.
struct object_facts {
  bool known = false; ///< the store has answered
  bool exists = false;
  std::optional<int64_t> modified_s;
};

object_facts ask_object(http_client& client, const cache_place& place,
                        const variables& environment);

} // namespace muster::helper
