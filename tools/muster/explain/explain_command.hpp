#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace muster {

struct explain_options {
  std::string config_path;
  std::string recording; ///< file or folder; empty: as the configuration says
  std::optional<std::chrono::nanoseconds> since; ///< before now
  std::optional<int64_t> job;
  std::string instance; ///< empty: any
  std::string group;    ///< likewise
  bool json = false;
};

/// Tells from the flight recorder what was decided and why, and where jobs'
/// waiting time went. Returns the exit status: 1 if nothing can be read, or
/// what is asked for is not in there.
int explain_recording(const explain_options& options);

} // namespace muster
