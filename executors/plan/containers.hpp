#pragma once

#include "executors/plan/build.hpp"
#include "executors/plan/directories.hpp"
#include "executors/plan/settings.hpp"
#include "messages/containers.hpp"

#include <string>
#include <vector>

namespace muster {

/// What the containers of a job are made from.
struct container_context {
  const job_payload& payload;
  const runner_config& runner; ///< with `docker`
  const plan_facts& facts;
  const job_directories& dirs;
  const job_variables& variables; ///< expanded
  const job_settings& settings;
};

struct planned_containers {
  container_plan plan;
  std::vector<std::string> warnings;
  bool uses_default_image = false; ///< the job names none
};

/// Turns the payload and `[runners.docker]` into the containers of a job.
///
/// Errors: `configuration_error`: the job wants what its runner does not allow,
/// or there is no image.
/// Source: reference/docker-executor, sections 2 to 6.
result<planned_containers, job_errc>
plan_containers(const container_context& from);

/// Whether other jobs' folders may be beside this one's.
bool shares_builds(const runner_config& runner, const job_variables& variables);

} // namespace muster
