#pragma once

#include "config/config.hpp"
#include "messages/recording.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace muster {

/// The runners of a recorded configuration by their roles' names, as far as it
/// can be read again.
using recorded_runners
  = std::map<std::string, std::shared_ptr<const runner_config>>;

struct recorded_config {
  recorded_runners runners;
  std::chrono::milliseconds check_interval{3'000};
  std::chrono::milliseconds shutdown_timeout{30'000};
};

/// Reads a configuration that was in force. Numbers stand in the place of
/// secrets, and nothing of this machine is looked at. Which runner is which of
/// those `before`, and what of it is in force, is decided as by a manager.
recorded_config read_recorded(const config_in_force& what,
                              const recorded_runners& before);

} // namespace muster
