#pragma once

#include "actors/recorder/record.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace muster {

// Records for people and for programs that read JSON.

/// A message with the names of its fields: `{"key": "a", "why": null}`. Peers
/// are their roles, secrets `#17`, errors their category, code and text.
nlohmann::ordered_json json_of(const caf::message& what);

/// The same in a line: `acquire key=a timeout_ms=900000 asker=runner:a/job:7`.
/// What is empty is left out.
std::string words_of(const record& x);

/// A whole record.
nlohmann::ordered_json json_of(const record& x);

} // namespace muster
