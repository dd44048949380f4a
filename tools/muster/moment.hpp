#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <string>

namespace muster {

/// What a time without a zone is meant in.
enum class time_zone : uint8_t {
  utc,
  local, ///< that of this machine
};

/// What a time on the command line means: `90m` before now, or
/// `2026-11-28[T21:30[:05[.678]]]`, in UTC if a `Z` follows. In the place of
/// the `T` a space will do, as the tools print local times. Unix time [us].
///
/// Errors: `not_valid`, with what a time looks like.
result<int64_t, config_errc> parse_moment(const std::string& text,
                                          time_zone zone = time_zone::utc);

} // namespace muster
