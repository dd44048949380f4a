#pragma once

#include "config/edit.hpp"

#include <optional>
#include <string>

namespace muster {

/// A value as it stands in TOML; nothing for text that is not UTF-8.
std::optional<std::string> toml_text(const new_value& value);

/// A dotted key, each part quoted where it must be.
std::string toml_key(const key_names& parts);

} // namespace muster
