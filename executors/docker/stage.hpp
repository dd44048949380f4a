#pragma once

#include <optional>
#include <string>
#include <vector>

namespace muster::docker {

/// Is the process of a stage in containers, of what follows services' logs, or
/// of what removes a job's containers: hidden commands that a job's supervisor
/// starts (executors/helper/container_work). Does not return if it is one.
/// @return nothing if the arguments are no such command
std::optional<int> run_stage(const std::vector<std::string>& arguments);

} // namespace muster::docker
