#pragma once

#include "tools/coordinator/pipeline/context.hpp"
#include "tools/coordinator/pipeline/notes.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace muster::gitlab {

/// The first rule of a list whose conditions all hold; null if none does. Its
/// keys are checked as those of `scope` (`rules`, `workflow:rules`, ...). Also
/// the rules behind it are read, so that mistakes in them show. Throws
/// `yaml_refused`.
const yaml_value* matching_rule(std::string_view scope, const yaml_value& rules,
                                const std::string& where,
                                const variable_map& variables,
                                const pipeline_context& context,
                                pipeline_notes& notes);

/// Whether `only` and `except` let a job run; each may be null. Throws
/// `yaml_refused`.
bool only_except(const yaml_value* only, const yaml_value* except,
                 const std::string& where, const variable_map& variables,
                 const pipeline_context& context, pipeline_notes& notes);

} // namespace muster::gitlab
