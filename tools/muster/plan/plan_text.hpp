#pragma once

#include "tools/muster/plan/reload_plan.hpp"
#include "tools/muster/plan/scaling_plan.hpp"

#include <optional>
#include <string>

namespace muster::plan {

/// What a configuration will do, and what it costs if a price is given, as
/// lines for people.
std::string text_of(const file_plan& x, const std::optional<price>& at);

/// What a reload would do, as lines for people.
std::string text_of(const reload_plan& x);

/// The same for programs: one object of JSON, a line break at its end.
/// docs/scaling.md has its keys.
std::string json_of(const file_plan& x, const std::optional<price>& at,
                    const std::optional<reload_plan>& reload);

} // namespace muster::plan
