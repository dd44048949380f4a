#pragma once

#include <cstdint>
#include <string>

namespace muster {

/// `20130524T000000Z`
std::string utc_compact(int64_t unix_seconds);

/// `2013-05-24T00:00:00Z` (RFC 3339)
std::string utc_text(int64_t unix_seconds);

} // namespace muster
