#pragma once

#include "tools/coordinator/pipeline/context.hpp"
#include "tools/coordinator/pipeline/notes.hpp"

#include <string>

namespace muster::gitlab {

/// Reads a pipeline file and the local files that it includes, those first:
/// what a file says itself wins over what it includes. Throws `yaml_refused`.
yaml_value read_with_includes(const std::string& text,
                              const pipeline_context& context,
                              pipeline_notes& notes, yaml_budget& budget);

} // namespace muster::gitlab
