#pragma once

#include "providers/fleeting/version.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::fleeting {

/// Reads a page of a registry's list of tags. Pure.
///
/// Errors: `call_failed`: it is none.
result<std::vector<std::string>, provider_errc>
parse_tags(std::string_view body);

/// Where the header `Link` says that the next page is, as it is written there;
/// empty if this was the last one. Pure.
std::string next_page(std::string_view link);

/// The highest version among the tags that the constraint allows; nothing if
/// there is none. Tags that are no full versions (`latest`, `1.2`) are passed
/// over. Pure.
std::optional<std::string> highest_tag(const std::vector<std::string>& tags,
                                       const version_constraint& constraint);

} // namespace muster::fleeting
