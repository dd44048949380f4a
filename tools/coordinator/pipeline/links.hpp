#pragma once

#include "tools/coordinator/pipeline_file.hpp"

namespace muster::gitlab {

/// Fills in what jobs need and whose artifacts they get, from their bodies
/// (same indices). Mistakes are noted.
void link_jobs(pipeline_file& file, const std::vector<yaml_value>& bodies,
               pipeline_notes& notes);

} // namespace muster::gitlab
