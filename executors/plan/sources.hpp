#pragma once

#include "executors/plan/build.hpp"
#include "executors/plan/git.hpp"

namespace muster {

/// Returns what getting a job's sources depends on: from where, what, and which
/// servers may be told the job's token.
///
/// @param variables expanded
git_sources sources_of(const job_payload& payload, const runner_config& runner,
                       const plan_facts& facts, const job_directories& dirs,
                       const job_variables& variables,
                       const job_settings& settings);

} // namespace muster
