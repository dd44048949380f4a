#include "tools/muster/commands.hpp"

#include "config/log.hpp"

#include <cstdio>

namespace muster {

bool configure_log(const global_options& global) {
  const auto& level = global.log_level;
  const auto& format = global.log_format;
  if (log::configure(level.empty() ? "info" : level,
                     format.empty() ? "runner" : format))
    return true;
  std::fprintf(
    stderr,
    "muster: there is no log level \"%s\" or no log format \"%s\": "
    "write one of debug, info, warning, error, fatal, panic, and one "
    "of runner, text, json\n",
    level.c_str(), format.c_str());
  return false;
}

} // namespace muster
