#pragma once

#include "executors/helper/commands/env_file.hpp"
#include "executors/helper/commands/transfer.hpp"
#include "executors/helper/http/client.hpp"

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
