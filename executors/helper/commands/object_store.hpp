#pragma once

#include "executors/helper/commands/env_file.hpp"
#include "executors/helper/http/client.hpp"

#include <string>

namespace muster::helper {

/// Makes a request for an object that a URL of the Go CDK names:
/// `azblob://container/object` with AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_DOMAIN
/// and AZURE_STORAGE_SAS_TOKEN; `s3://bucket/object?region=...` with
/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, signed with the
/// body unsigned.
/// Errors: `failed`: another scheme, a variable that is missing.
result<http_request, helper_errc> object_request(const std::string& method,
                                                 const std::string& url,
                                                 const variables& environment);

} // namespace muster::helper
