#pragma once

#include "config/diagnostic.hpp"
#include "tools/coordinator/yaml_tree.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster::gitlab {

/// What there is to say about a pipeline's files, and their texts.
class pipeline_notes {
public:
  /// Returns the number of the file.
  int add_source(std::string name, std::string text);
  const std::string& name_of(int file) const;

  /// Something is wrong.
  void refuse(const yaml_refused& what);
  /// Something is to be known. Each text is said once, with its first place.
  void warn(yaml_mark at, const std::string& text);

  bool passed() const {
    return !first_;
  }
  /// The code of the first thing that was refused.
  std::optional<yaml_errc> first_code() const {
    return first_;
  }
  /// Errors first, each in the order in which they were found.
  std::vector<diagnostic> diagnostics() const;
  /// As `format_diagnostic` shows it.
  std::string shown(const diagnostic& what) const;

private:
  struct source {
    std::string name;
    std::string text;
  };

  diagnostic make(severity level, yaml_mark at, std::string text,
                  std::string hint) const;

  std::vector<source> sources_;
  std::vector<diagnostic> errors_;
  std::vector<diagnostic> warnings_;
  std::map<std::string, size_t> warned_; ///< text and index in `warnings_`
  std::vector<size_t> times_;            ///< of each of `warnings_`
  std::optional<yaml_errc> first_;
};

} // namespace muster::gitlab
