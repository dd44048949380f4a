#pragma once

#include "actors/manager/manager.hpp"

#include <memory>
#include <string>

namespace muster {

/// What all runners of a process have in common.
struct shared_parts {
  std::string system_id;
  std::shared_ptr<trace_shelf> traces;
  std::shared_ptr<metrics_sink> metrics;
};

/// Looks up on disk what the runner `at` of a configuration needs, and returns
/// what makes its parts.
equip_runner equipper(const std::shared_ptr<const config>& cfg, size_t at,
                      const shared_parts& shared);

} // namespace muster
