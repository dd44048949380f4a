#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::fleeting {

/// A full semantic version: `1.10.2`, `2.0.0-rc.1`.
struct version {
  uint64_t major_part = 0;
  uint64_t minor_part = 0;
  uint64_t patch = 0;
  std::vector<std::string> pre; ///< identifiers of a pre-release, else empty
};

/// Reads one; nothing if it is none. No `v` before it, no build metadata, no
/// leading zeros. Pure.
std::optional<version> parse_version(std::string_view text);

/// Whether `a` comes before `b` by the rules of semantic versions: numbers
/// before words, a pre-release before its release. Pure.
bool is_older(const version& a, const version& b);

/// Which versions a tag allows: each part that is given has to agree.
struct version_constraint {
  std::vector<uint64_t> parts; ///< 0 to 3 of major, minor, patch
  std::vector<std::string> pre;
};

/// Reads a tag: empty and `latest` allow any release; `MAJOR`, `MAJOR.MINOR`,
/// `MAJOR.MINOR.PATCH[-PRE]`. Pure.
///
/// Errors: `bad_config`.
result<version_constraint, provider_errc>
parse_constraint(std::string_view tag);

bool allows(const version_constraint& constraint, const version& x);

} // namespace muster::fleeting
