#pragma once

#include "messages/log_recipe.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// The bytes of a recipe and of lines, for the journal: CBOR by name, so that
/// another muster reads what it knows and takes its own defaults for the rest.
/// Texts may hold any byte.
std::string encode(const log_recipe& x);
std::string encode(const std::vector<manager_line>& x);

/// Returns nothing for bytes that are none.
std::optional<log_recipe> decode_recipe(std::string_view bytes);
std::optional<std::vector<manager_line>> decode_lines(std::string_view bytes);

} // namespace muster
