#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace muster {

/// Reads a duration as Go writes it: decimal numbers, each with a unit out of
/// `ns us µs ms s m h`, one after the other (`1h30m`, `-1.5h`), or a bare `0`.
/// No spaces, no days.
///
/// Errors: `not_valid`, also for what does not fit 64 bits of nanoseconds
/// (about 292 years). Source: reference/config, section 1.
result<std::chrono::nanoseconds, config_errc>
parse_duration(std::string_view text);

/// Writes a duration as Go does: `1h0m0s`, `1.5s`, `250ms`, `0s`.
std::string format_duration(std::chrono::nanoseconds what);

} // namespace muster
