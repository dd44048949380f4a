#pragma once

#include "messages/result.hpp"
#include "tools/coordinator/pipeline/expression.hpp"
#include "tools/coordinator/projects.hpp"
#include "tools/coordinator/store.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace muster::gitlab {

enum class spec_errc : uint8_t {
  unknown_key = 1, ///< a key that has no meaning here
  bad_value,       ///< a value of the wrong kind, or out of range
  no_project,      ///< the project, ref or commit does not exist
};

/// Reads a duration as GitLab's `timeout` does: `90`, `1h 30m`, `2 hours 5
/// min`. A number without a unit is seconds.
std::optional<std::chrono::seconds> parse_timeout(std::string_view text);

/// Makes a job from JSON.
///
/// The short form has the keys of a job in `.gitlab-ci.yml` (`script`,
/// `before_script`, `after_script`, `variables`, `image`, `services`, `cache`,
/// `artifacts`, `hooks`, `timeout`, `allow_failure`, `when`, `stage`), and
/// `name`, `project`, `ref`, `sha`, `depth`, `expect`, `runner_token`,
/// `job_token`, `failure_reasons`, `dependencies` (ids of jobs whose artifacts
/// it gets), `default_branch` (CI_DEFAULT_BRANCH), `masked` (an object of
/// masked variables), `predefined` (false leaves the CI_* variables out),
/// `payload` (merged over the result, RFC 7386), `retry` ({max, when,
/// exit_codes}; in pipelines), `environment` ({name, url, action,
/// deployment_tier}), `node_index` and `node_total`. A variable is text, or an
/// object with `value`, `masked`, `file`, `raw`, `public`.
///
/// The full form is GitLab's payload, known by `steps`: handed out as it is,
/// with `id`, `token` and `git_info.repo_url` filled in where they are absent,
/// and so are `dependencies` that have an `id` and no `token`.
///
/// With `known` that is the job's commit, and the repository is not asked.
result<job_template, spec_errc>
job_from_json(const nlohmann::json& spec, const project_list& projects,
              const commit_info* known = nullptr);

/// The project and commit of `project`, `ref`, `sha` and `default_branch` in
/// `spec`; without any repository a commit that cannot be cloned. Errors:
/// `no_project`.
struct project_commit {
  std::string project;
  commit_info commit;
};
result<project_commit, spec_errc> commit_in_spec(const nlohmann::json& spec,
                                                 const project_list& projects);

/// The payload of a job that is handed out (reference/job-api, section 3.3).
/// `server_url` is where this server is reached, with its base path.
nlohmann::json payload_of(const job_view& job, const std::string& server_url,
                          const project_list& projects);

/// The CI_* variables that GitLab itself would add, in its order.
nlohmann::json predefined_variables(const job_view& job,
                                    const std::string& server_url,
                                    const project_list& projects);

/// Those of a pipeline, as its rules see them.
variable_map rule_variables(const commit_info& commit,
                            const std::string& project,
                            const std::string& server_url);

} // namespace muster::gitlab
