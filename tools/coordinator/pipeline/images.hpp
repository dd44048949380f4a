#pragma once

#include "tools/coordinator/pipeline/notes.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace muster::gitlab {

/// Reads `image:` of a job, as the short form of `job_from_json` has it.
/// `where` is for people: `image in job build`. Throws `yaml_refused`.
nlohmann::json read_image(const yaml_value& x, const std::string& where,
                          pipeline_notes& notes);

/// Reads `services:` of a job, a list. Throws `yaml_refused`.
nlohmann::json read_services(const yaml_value& x, const std::string& where,
                             pipeline_notes& notes);

} // namespace muster::gitlab
