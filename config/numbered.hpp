#pragma once

#include "config/config.hpp"

#include <functional>
#include <string>
#include <vector>

namespace muster {

/// How values of a configuration are written down where secrets must not be.
struct value_names {
  /// Of a value that must not be shown: what stands in its place.
  std::function<std::string(const std::string& value)> of_secret;
  /// The same for what another program is told, which may be a secret; a plain
  /// word is none that should be hidden elsewhere.
  std::function<std::string(const std::string& value, bool is_word)> of_foreign;
  /// Of any other text: as it is, or without what looks like a secret.
  std::function<std::string(const std::string& value)> of_text;
};

/// A configuration file as TOML with other words in the place of secrets: keys
/// that may hold one, tables of plugins, and keys that muster does not know.
/// References to the environment stay. Empty if the file is none.
std::string numbered_config(const std::string& source,
                            const value_names& names);

/// The secrets of a configuration in force, also those that are not in the
/// file.
std::vector<secret> secrets_of(const config& cfg);

} // namespace muster
