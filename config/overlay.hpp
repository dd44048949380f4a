#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>
#include <string_view>

namespace muster {

/// Lays the keys of `[runners.autoscaler]` in `over` over those of each runner
/// in `base` that has that section: a key takes the place of the one there with
/// all that is in it, so that `[[runners.autoscaler.policy]]` replaces all
/// policies. Returns the whole as TOML, without comments.
///
/// Errors: `not_valid`: one of them is not TOML (the text says which, and
/// where), or `over` has anything else.
result<std::string, config_errc> laid_over(const std::string& base,
                                           const std::string& over,
                                           std::string_view over_path);

} // namespace muster
