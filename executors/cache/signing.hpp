#pragma once

#include "config/config.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

enum class http_method : uint8_t { get, head, put };

std::string_view to_string(http_method x);

/// What is asked of a store with a signature in its URL. Whoever has the URL
/// has the right to this one request: it is a secret until it runs out.
struct signed_request {
  std::string url; ///< empty: it could not be signed
  std::vector<std::pair<std::string, std::string>>
    headers; ///< to be sent along
};

/// When a signature is made and how long it holds.
struct signing_time {
  int64_t now_unix = 0; ///< [s]
  std::chrono::seconds valid{0};
};

/// Where objects of a bucket are: the scheme, the host as the Host header has
/// it, and what stands before the object in the path.
struct s3_place {
  std::string scheme;
  std::string host;
  std::string prefix; ///< empty, or `/bucket`
};

s3_place place_of(const s3_cache_config& with);

/// Signs a request for an object of a bucket with signature version 4 in its
/// query. `headers` are signed too and must be sent as they are: names in
/// small letters, values without blanks at their ends or two in a row.
///
/// Source: "Authenticating Requests: Using Query Parameters (AWS Signature
/// Version 4)", Amazon S3's API reference.
signed_request sign_s3(const s3_cache_config& with, http_method method,
                       std::string_view object,
                       std::vector<std::pair<std::string, std::string>> headers,
                       const signing_time& time);

/// The same at a given place.
signed_request sign_s3(const s3_place& place, const s3_cache_config& with,
                       http_method method, std::string_view object,
                       std::vector<std::pair<std::string, std::string>> headers,
                       const signing_time& time);

/// Signs with the key of a service account, "V2 signing process" of Google
/// Cloud Storage. The URL is empty if the key cannot be used.
signed_request
sign_gcs(const gcs_cache_config& with, http_method method,
         std::string_view object,
         std::vector<std::pair<std::string, std::string>> headers,
         const signing_time& time);

/// Makes a service SAS with the account's key, "Create a service SAS", version
/// 2020-12-06. The headers are not part of the signature.
signed_request
sign_azure(const azure_cache_config& with, http_method method,
           std::string_view object,
           std::vector<std::pair<std::string, std::string>> headers,
           const signing_time& time);

} // namespace muster
