#pragma once

#include "config/section.hpp"

namespace muster {

/// Checks every key of a file against the table of known keys: unknown ones
/// (with the name or the table that was probably meant), the same key twice in
/// different letter case, wrong types and durations that are none. A wrong type
/// is fatal, as it is for GitLab Runner. What muster does not act on yet is
/// noticed once for each key.
void check_keys(const toml::table& file, report& out);

} // namespace muster
