#pragma once

#include "actors/provider/provider.hpp"
#include "config/load.hpp"

#include <memory>
#include <optional>
#include <string>

namespace muster {

/// How much a check does to find out whether a plugin works.
enum class plugin_trial : uint8_t {
  find,  ///< whether it is there
  start, ///< it is started and ended again
};

/// Returns options that read a configuration as this program needs it: with a
/// check of the plugins, and of `plugin_config` by those that are built in.
load_options with_plugins(check_mode mode,
                          plugin_trial trial = plugin_trial::find);

/// For `load_options::variable`, where nobody connects to GitLab: a variable
/// that is not set here has a value that will do for a url or a token.
std::optional<std::string> variable_or_placeholder(const std::string& name);

/// Returns what starts the provider of a runner: the plugin that its
/// configuration names.
start_provider_actor group_maker(const config& cfg, const runner_config& runner,
                                 const std::shared_ptr<runner_metrics>& told);

} // namespace muster
