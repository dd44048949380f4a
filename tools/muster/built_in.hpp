#pragma once

#include <string_view>

namespace muster {

/// Whether a plugin is part of muster: there is nothing to install.
inline bool is_built_in(std::string_view plugin) {
  return plugin == "local" || plugin == "static";
}

} // namespace muster
