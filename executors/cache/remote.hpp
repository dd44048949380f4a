#pragma once

#include "executors/cache/keys.hpp"
#include "executors/cache/signing.hpp"

#include <string>

namespace muster {

/// Whose caches they are.
struct cache_owner {
  std::string short_token; ///< of the runner
  int64_t project_id = 0;
};

/// Returns the name of a cache's object, always below the project's own prefix.
///
/// @param stored a cache_key's `stored` or `alternate`
/// @param hashed it is a digest: spread over folders by its first two digits
/// Source: reference/job-stages, section 9.
std::string cache_object(const cache_config& with, const cache_owner& owner,
                         std::string_view stored, bool hashed);

/// What a helper needs to restore a cache or to keep it. A request without URL:
/// none.
struct cache_requests {
  signed_request main;
  signed_request check; ///< HEAD of the same object
  signed_request alternate;
  signed_request alternate_check;
};

/// Signs what restoring a cache takes; nothing if caches are local.
cache_requests sign_restore(const cache_config& with, const cache_owner& owner,
                            const cache_key& key, bool hashed,
                            const signing_time& time);

/// Signs what keeping a cache takes: no alternate.
cache_requests sign_archive(const cache_config& with, const cache_owner& owner,
                            const cache_key& key, bool hashed,
                            const signing_time& time);

} // namespace muster
