#include "config/log.hpp"

// What actors log in a scenario is no news.
[[maybe_unused]] static const bool quiet
  = muster::log::configure("fatal", "text");
