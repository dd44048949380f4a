#pragma once

#include "config/load.hpp"
#include "tools/muster/commands.hpp"
#include "tools/muster/file_watch.hpp"

#include <chrono>
#include <string>

namespace muster {

/// When a manager ends by itself, and when it does not begin; who may look on.
struct service_limits {
  bool strict = false;                   ///< warnings were not allowed
  bool must_serve = false;               ///< without a runner it does not begin
  int jobs_max = 0;                      ///< 0: no bound
  std::chrono::milliseconds idle_max{0}; ///< without a job; 0: no bound
  std::string listen_address;            ///< of the metrics server; empty: none
  bool watches = false;                  ///< the file is read again
  file_stamp read_stamp;                 ///< of what was read of it
};

/// Serves GitLab with a configuration. Returns the exit status.
int serve_loaded(const global_options& global, loaded_config loaded,
                 const service_limits& limits);

} // namespace muster
