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
  std::fputs("muster: unknown log level or format\n", stderr);
  return false;
}

} // namespace muster
