#pragma once

#include "tools/coordinator/pipeline/context.hpp"
#include "tools/coordinator/pipeline/notes.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace muster::gitlab {

/// Reads the keywords of a job that say how it runs: scripts, image, services,
/// cache, artifacts, hooks, timeout, retry, allow_failure, environment. The
/// result is part of the short form of `job_from_json`. Mistakes are noted, and
/// the keyword then left out.
nlohmann::json read_job_body(const yaml_value& job, const std::string& where,
                             const variable_map& variables,
                             const pipeline_context& context,
                             pipeline_notes& notes);

/// Variables as of `variables:`, of a file, a job or a rule: an object of texts
/// and of objects with `value` and `expand`. Null for none. Throws
/// `yaml_refused`.
nlohmann::json read_variables(const yaml_value* x, const std::string& where,
                              pipeline_notes& notes);

/// What rules see of such variables.
void add_values(variable_map& to, const nlohmann::json& variables);

/// `allow_failure` of a job or a rule: a truth value, or `{exit_codes: [...]}`.
/// Throws `yaml_refused`.
nlohmann::json read_allow_failure(const yaml_value& x, const std::string& where,
                                  pipeline_notes& notes);

/// One of a few words. Throws `yaml_refused`.
std::string read_word(const yaml_value& x, const std::string& what,
                      std::initializer_list<std::string_view> words);

} // namespace muster::gitlab
