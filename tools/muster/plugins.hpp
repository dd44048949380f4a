#pragma once

#include "config/load.hpp"

namespace muster {

/// Returns options that read a configuration as this program needs it: with a
/// check of `plugin_config` by the plugins that are built in.
load_options with_plugins(check_mode mode);

} // namespace muster
