#pragma once

#include "tools/coordinator/job_spec.hpp"
#include "tools/coordinator/pipeline_file.hpp"
#include "tools/coordinator/server_state.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::gitlab {

/// Queues `copies` of a job that is given as JSON (`job_from_json`).
result<std::vector<int64_t>, spec_errc>
enqueue_job(server_state& state, const nlohmann::json& spec, size_t copies);

struct started_pipeline {
  int64_t id = 0;
  std::vector<std::string> warnings; ///< with their places
};

/// Starts a pipeline from the text of a `.gitlab-ci.yml`; `file` is its name in
/// messages. `options` may have `project`, `ref`, `sha`, `depth`,
/// `default_branch`, `payload` (over that of each job), and `variables` and
/// `masked`, which win over those of the file.
result<started_pipeline, spec_errc>
start_pipeline(server_state& state, const std::string& text,
               const std::string& file, const nlohmann::json& options);

/// The same with a file that was read. Returns its id.
result<int64_t, spec_errc> start_pipeline(server_state& state,
                                          const pipeline_file& file,
                                          const std::string& name,
                                          const nlohmann::json& options);

} // namespace muster::gitlab
