#pragma once

#include "executors/plan/build.hpp"
#include "messages/recording.hpp"

namespace muster {

// What of a job's plan decides how its actor goes on, for a recording and back.

job_planned outline_of(const result<plan_result, job_errc>& plan,
                       const runner_config& runner);

/// A plan with stages that have no scripts.
result<plan_result, job_errc> plan_from(const job_planned& outline);

} // namespace muster
