#pragma once

#include "messages/error_codes.hpp"
#include "messages/plan.hpp"
#include "messages/result.hpp"

#include <optional>
#include <string>

namespace muster::helper {

/// Returns what of a plan must be known to remove its containers, and no more:
/// neither scripts nor anything secret.
job_plan leftover_of(const job_plan& plan);

/// Keeps that in a file, for the case that the job's supervisor dies.
/// Errors: `failed`: no room, no rights.
result<void, helper_errc> write_leftover(const std::string& path,
                                         const job_plan& plan);

/// Returns what was kept; nothing if there is no such file, or not all of it.
std::optional<job_plan> read_leftover(const std::string& path);

} // namespace muster::helper
