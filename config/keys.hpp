#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

enum class key_type : uint8_t {
  boolean,
  integer,
  number, ///< with or without a fraction
  string,
  duration, ///< a string such as "20m0s", or an integer of nanoseconds
  datetime,
  string_list,
  string_or_list,
  number_list,
  string_map,  ///< a table of free names with strings
  boolean_map, ///< a table of free names with true and false
  list_map,    ///< a table of free names with lists of strings
  free_table,  ///< whatever stands in it is somebody else's; letter case counts
  section,     ///< `[name]`
  section_list, ///< `[[name]]`
};

enum class key_status : uint8_t {
  acted_on, ///< changes what muster does; has a field in `config`
  not_yet,  ///< known and checked; muster does not act on it yet
  ignored,  ///< accepted without effect, as by GitLab Runner
  refused,  ///< setting it keeps the runner from being served: ignoring it
            ///< would be dangerous
};

/// What is known of one key of config.toml.
struct key_info {
  std::string_view
    path; ///< dotted, without indices: `runners.autoscaler.plugin`
  key_type type = key_type::string;
  key_status status = key_status::acted_on;
  std::string_view meaning; ///< a few words
};

/// All keys, sections before what stands in them. Source: reference/config.
const std::vector<key_info>& known_keys();

/// Returns the key of that exact path, or nullptr.
const key_info* find_key(std::string_view path);

/// Returns the keys that may stand in a section; the empty path is the top of
/// the file.
std::vector<const key_info*> keys_in(std::string_view section);

/// Returns the key called `name` in a section, exactly or else in any letter
/// case; or nullptr.
const key_info* find_key_in(std::string_view section, std::string_view name);

/// `autoscaler` of `runners.autoscaler`.
std::string_view last_part(std::string_view path);

/// Everything but the last part; empty for a key at the top of the file.
std::string_view section_of(std::string_view path);

/// A section as one writes it: `[[runners]]`, `[runners.docker]`.
std::string section_header(std::string_view path);

/// Equal but for the case of ASCII letters.
bool same_ignoring_case(std::string_view a, std::string_view b);

/// Whether values of keys of this name must not be shown, wherever the key
/// stands: tokens, passwords, keys, and what may carry them.
bool holds_secret(std::string_view key_name);

// The two halves of `known_keys`.
std::vector<key_info> general_keys();
std::vector<key_info> docker_and_cache_keys();

} // namespace muster
