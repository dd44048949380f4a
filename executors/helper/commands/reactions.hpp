#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

/// What a command does about an HTTP answer; no status means that none came.
/// Source: reference/job-api, section 8; reference/job-stages, sections 9
/// and 10.
namespace muster::helper {

enum class upload_verdict : uint8_t {
  done,
  forbidden,   ///< 403: final
  too_large,   ///< 413: final
  unavailable, ///< 503: tried again, more often than others
  failed,      ///< tried again
};

upload_verdict verdict_of_upload(std::optional<int> status);

/// Returns how often an upload is tried at most when it last ended like this.
int upload_tries_max(upload_verdict last);

/// Returns the pause after so many tries: 1 s, doubling, at most 5 s.
std::chrono::seconds upload_pause(int tries);

enum class download_verdict : uint8_t {
  done,
  unauthorized, ///< 401: final
  forbidden,    ///< 403: final
  not_found,    ///< 404: final
  failed,       ///< tried again
};

download_verdict verdict_of_download(std::optional<int> status);

enum class cache_verdict : uint8_t {
  done,
  missing, ///< 404 of a download: there is no such cache
  again,   ///< 5xx or no answer
  failed,  ///< any other status
};

cache_verdict verdict_of_cache(std::optional<int> status);

} // namespace muster::helper
