#pragma once

#include "tools/muster/explain/story.hpp"

#include <string>

namespace muster::explain {

/// `2026-11-28 22:03:01.123`, by the clock of this machine's time zone.
std::string local_time(int64_t unix_us);

/// `CET, UTC+01:00`: the zone in force at that moment.
std::string local_zone(int64_t unix_us);

/// `2026-11-28T21:03:01.123Z`.
std::string utc_time(int64_t unix_us);

/// The story in sentences.
std::string text_of(const report& x, const filter& about);

/// The same for programs.
std::string json_of(const report& x);

} // namespace muster::explain
