#pragma once

#include "tools/coordinator/pipeline/expression.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster::gitlab {

/// The files of a project, as far as a pipeline file may ask for them. Paths
/// are relative to the project's root, with `/`.
class pipeline_files {
public:
  virtual ~pipeline_files() = default;

  /// The text of a file; nothing if there is none.
  virtual std::optional<std::string> read(const std::string& path) = 0;
  /// The paths of all files.
  virtual const std::vector<std::string>& paths() = 0;
  /// What the commit changed, or what differs from `ref` unless that is empty;
  /// nothing if it cannot be told.
  virtual std::optional<std::vector<std::string>>
  changes(const std::string& ref) = 0;
  /// A word that changes with the last change of any of these files; empty if
  /// none of them was ever committed.
  virtual std::string digest(const std::vector<std::string>& paths) = 0;
};

/// What a pipeline file is read in.
struct pipeline_context {
  std::string file = ".gitlab-ci.yml"; ///< for messages
  variable_map predefined;             ///< CI_*, as rules see them
  variable_map given; ///< of who starts the pipeline: they win over the file's
  std::shared_ptr<pipeline_files> files; ///< null: there is no project
  bool containers = true; ///< jobs run in some; else `image` has no effect
};

} // namespace muster::gitlab
