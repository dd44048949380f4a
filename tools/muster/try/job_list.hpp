#pragma once

#include "tools/coordinator/pipeline_file.hpp"

#include <string>

namespace muster {

/// The jobs of a pipeline as a table, a line each: stage, name, when, needs.
std::string job_list(const gitlab::pipeline_file& file);

} // namespace muster
