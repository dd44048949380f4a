#pragma once

#include "config/keys.hpp"

#include <string>
#include <string_view>
#include <toml++/toml.h>

namespace muster {

/// What to write in place of a value that is not of the key's type; may be
/// empty.
std::string value_hint(const key_info& key, const toml::node& value);

/// What to write in place of text that is no duration: what was probably meant
/// if it can be guessed.
std::string duration_hint(std::string_view key_name, std::string_view text);

} // namespace muster
