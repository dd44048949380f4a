#pragma once

#include "tools/coordinator/job_spec.hpp"
#include "tools/coordinator/server_state.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::gitlab {

/// Queues `copies` of a job that is given as JSON (`job_from_json`).
result<std::vector<int64_t>, spec_errc>
enqueue_job(server_state& state, const nlohmann::json& spec, size_t copies);

/// Starts a pipeline from the text of a `.gitlab-ci.yml`; `file` is its name in
/// errors. `options` may have `project`, `ref`, `sha`, `depth`, and `variables`
/// and `masked`, which come after those of the file. Returns its id.
result<int64_t, spec_errc> start_pipeline(server_state& state,
                                          const std::string& text,
                                          const std::string& file,
                                          const nlohmann::json& options);

} // namespace muster::gitlab
