#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <date/tz.h>
#include <string>

namespace muster {

/// Finds a time zone and reads its file; null stands for UTC, which needs no
/// database. An empty name is UTC.
///
/// Errors: `not_valid`, with GitLab's text.
result<const date::time_zone*, config_errc> find_zone(const std::string& name);

/// What clocks in a zone (null: UTC) show at a moment.
date::local_seconds wall_clock(const date::time_zone* zone,
                               std::chrono::sys_seconds when);

/// Returns the name of the process's own time zone: `TZ` if it names one, else
/// the system's, else `UTC`. Loads the database.
std::string local_zone_name();

} // namespace muster
