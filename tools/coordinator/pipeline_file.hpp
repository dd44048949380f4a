#pragma once

#include "messages/result.hpp"
#include "tools/coordinator/yaml_tree.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::gitlab {

/// A job as a `.gitlab-ci.yml` describes it: defaults and `extends` applied,
/// variables of the file and of the job together.
struct file_job {
  std::string name;
  size_t stage = 0; ///< index in `pipeline_file::stages`
  yaml_mark at;
  bool has_needs = false;
  std::vector<size_t> needs; ///< indices in `pipeline_file::jobs`
  nlohmann::json spec;       ///< the short form of `job_from_json`
};

struct pipeline_file {
  std::vector<std::string> stages; ///< with `.pre` first and `.post` last
  std::vector<file_job> jobs;      ///< in the order of the file, no hidden ones
};

/// Reads a simple `.gitlab-ci.yml`.
///
/// Keywords: stages, default, variables, image, services, cache, before_script,
/// after_script; of a job these, and stage, script, extends, needs,
/// dependencies, artifacts, allow_failure, when, timeout, hooks, tags (every
/// runner takes every job). Hidden jobs, anchors and `<<` work. Whatever else
/// is refused, by name, line and column. Every text of an error begins with
/// `file:line:column: `.
result<pipeline_file, yaml_errc> parse_pipeline(const std::string& text,
                                                const std::string& file);

} // namespace muster::gitlab
