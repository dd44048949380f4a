#pragma once

#include "messages/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
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
  int file = 0; ///< which of the files that were read
};

/// A YAML value with its place: anchors and merge keys (`<<`) are resolved.
struct yaml_value {
  enum class kind : uint8_t {
    null,
    scalar,
    list,
    map,
    reference, ///< `!reference`, with its words in `list`
  };

  struct entry;

  kind is = kind::null;
  std::string text; ///< of a scalar
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

/// Where a YAML file is wrong, and how. Thrown while a pipeline is read.
struct yaml_refused {
  yaml_errc code = yaml_errc::bad_value;
  yaml_mark at;
  std::string text;
  std::string hint; ///< what to write instead; may be empty
};

/// How much a pipeline may still grow by aliases, references and extends:
/// small files can multiply without end. Throws `yaml_refused` when it is
/// spent.
class yaml_budget {
public:
  void take(const yaml_value& x);
  void take(size_t values, size_t bytes, yaml_mark at);

private:
  size_t values_left_ = 400'000;
  size_t bytes_left_ = size_t{64} << 20;
};

/// Reads one document; places are in file number `file`. Throws `yaml_refused`.
yaml_value read_yaml(const std::string& text, int file, yaml_budget& budget);

/// `file:line:column: text`.
std::string placed(const std::string& file, yaml_mark at,
                   std::string_view text);

} // namespace muster::gitlab
