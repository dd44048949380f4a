#pragma once

#include "config/config.hpp"
#include "messages/recording.hpp"

#include <map>
#include <memory>
#include <string>

namespace muster {

/// The runners of a recorded configuration by their roles' names, as far as it
/// can be read again.
using recorded_runners
  = std::map<std::string, std::shared_ptr<const runner_config>>;

/// Reads a configuration that was in force. Numbers stand in the place of
/// secrets, and nothing of this machine is looked at. A runner that had another
/// token `before` keeps its name there; it is found by its name in the file.
recorded_runners runners_of(const config_in_force& what,
                            const recorded_runners& before);

} // namespace muster
