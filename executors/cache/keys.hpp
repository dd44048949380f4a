#pragma once

#include <string>
#include <string_view>

namespace muster {

/// What a cache is called, here and where it is kept.
struct cache_key {
  std::string shown;     ///< in the log and in the cache's metadata
  std::string stored;    ///< names the folder and the object
  std::string alternate; ///< as the other mode would store it; empty: none
  std::string warning;   ///< for the log; empty: none
  bool usable = true;    ///< false: nothing is left of it, `stored` is empty
};

/// Makes a key of what a job calls its cache, references to variables already
/// replaced. As it is (`hashed` false) a key may be a path: it is cleaned so
/// that it stays below where caches are kept, and a change is told. With
/// FF_HASH_CACHE_KEYS it is the SHA-256 of the raw one.
///
/// Source: reference/job-stages, section 9.
cache_key make_cache_key(std::string_view raw, bool hashed);

/// Returns the key of a cache that its job gives none.
std::string default_cache_key(std::string_view job_name, std::string_view ref);

/// Whether a key is one that GitLab keeps for protected branches, which
/// CACHE_FALLBACK_KEY must not name.
bool is_protected_cache_key(std::string_view key);

} // namespace muster
