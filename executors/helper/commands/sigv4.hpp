#pragma once

#include "executors/helper/http/client.hpp"

#include <ctime>
#include <string>

namespace muster::helper {

struct aws_credentials {
  std::string key_id;
  std::string secret;
  std::string session_token; ///< empty for lasting credentials
};

/// Adds the headers that sign a request to S3 (Signature Version 4), its body
/// unsigned. @pre the target has no query
/// @return false if there is no memory
bool sign_s3(http_request& what, const aws_credentials& by,
             const std::string& region, std::time_t now);

} // namespace muster::helper
