#pragma once

#include "messages/result.hpp"

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::gitlab {

enum class yaml_errc : uint8_t {
  malformed = 1, ///< no YAML, or more than a pipeline may hold
  unknown_keyword,
  bad_value,
};

/// A place in a file, counted from 1.
struct yaml_mark {
  int line = 1;
  int column = 1;
};

/// A YAML value with its place: anchors and merge keys (`<<`) are resolved.
struct yaml_value {
  enum class kind : uint8_t { null, scalar, list, map };

  struct entry;

  kind is = kind::null;
  std::string text;    ///< of a scalar
  bool quoted = false; ///< a scalar that is text whatever it looks like
  yaml_mark at;
  std::vector<yaml_value> list;
  std::vector<entry> map; ///< in order; no key twice, the last one won

  const yaml_value* find(std::string_view key) const;
  const entry* find_entry(std::string_view key) const;
};

struct yaml_value::entry {
  std::string key;
  yaml_mark at; ///< of the key
  yaml_value value;
};

/// Reads one document. The text of an error begins with `file:line:column: `.
result<yaml_value, yaml_errc> parse_yaml(const std::string& text,
                                         const std::string& file);

/// As JSON: plain `true`, `false`, numbers and null become those, all else
/// text.
nlohmann::json to_json(const yaml_value& x);

/// `file:line:column: text`.
std::string placed(const std::string& file, yaml_mark at,
                   std::string_view text);

} // namespace muster::gitlab
