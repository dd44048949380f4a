#pragma once

#include "config/source.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Where names and passwords stand in the URLs of a text: between `://` and
/// `@`. Of a URL that is broken rather too much is taken than too little.
std::vector<text_range> find_userinfo(std::string_view text);

/// The text with `https://[MASKED]@host` for `https://name:password@host`.
std::string without_userinfo(std::string_view text);

} // namespace muster
