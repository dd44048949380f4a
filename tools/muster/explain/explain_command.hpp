#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace muster {

struct explain_options {
  std::string config_path;
  std::string recording; ///< file or folder; empty: as the configuration says
  std::optional<int64_t> since; ///< Unix time [us]
  std::optional<int64_t> until; ///< likewise
  std::optional<int64_t> job;
  std::string instance; ///< empty: any
  std::string group;    ///< likewise
  bool json = false;
};

/// Tells from the flight recorder what was decided and why, and where jobs'
/// waiting time went. Returns the exit status: 1 if nothing can be read, or
/// what is asked for is not in there; 2 if it cannot be written.
int explain_recording(const explain_options& options);

} // namespace muster
