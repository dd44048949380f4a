#pragma once

#include "messages/result.hpp"
#include "tools/coordinator/pipeline_order.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::gitlab {

// Parts of a job: from the words of `.gitlab-ci.yml` to those of the payload.
// These throw `nlohmann::json::exception` for a value of another type.

std::optional<run_when> when_of(std::string_view word);

/// A name as GitLab makes it fit for a domain name.
std::string slug(std::string_view text);

/// A list as it is; anything else, but null, as a list of one.
nlohmann::json list_of(const nlohmann::json& x);

/// A script: text, or a list of texts and lists. Nothing for other values.
std::optional<std::vector<std::string>> script_lines(const nlohmann::json& x);

enum class parts_errc : uint8_t {
  bad_variable = 1, ///< not text, and no object with a value either
};

/// Variables: an object of texts or of objects with a `value`, or a list that
/// is already as in the payload.
result<nlohmann::json, parts_errc> variables_of(const nlohmann::json& x);

/// Whether it is a kind of `artifacts:reports`.
bool is_report(std::string_view type);

nlohmann::json image_of(const nlohmann::json& x);
nlohmann::json hooks_of(const nlohmann::json& x);
nlohmann::json artifacts_of(const nlohmann::json& x);
nlohmann::json caches_of(const nlohmann::json& x);

} // namespace muster::gitlab
