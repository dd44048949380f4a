#include "tools/muster/commands.hpp"

#include "config/log.hpp"

namespace muster {

void configure_log(const global_options& global) {
  log::configure(global.log_level.empty() ? "info" : global.log_level,
                 global.log_format.empty() ? "runner" : global.log_format);
}

} // namespace muster
