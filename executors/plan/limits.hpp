#pragma once

#include "executors/plan/directories.hpp"
#include "executors/plan/variables.hpp"
#include "messages/error_codes.hpp"
#include "messages/plan.hpp"
#include "messages/result.hpp"

#include <cstddef>
#include <string>

namespace muster {

/// Looks at what the variables come to before scripts are made of them: in a
/// script within a script quotes take many bytes.
/// @param steps that have the variables, beside getting the sources
///
/// Errors: `runner_system_failure`: it is more than the helper takes.
result<void, job_errc> check_variables(const job_variables& expanded,
                                       const job_directories& dirs,
                                       size_t steps);

/// Whether a helper takes the plan, which it gets in one frame.
///
/// Errors: `runner_system_failure`: it does not, and why.
result<void, job_errc> check_size(const job_plan& plan,
                                  const job_variables& expanded);

/// What is said of a variable that is `too_large_to_export`.
std::string too_large_text(const job_variable& x);

} // namespace muster
