#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "providers/simulated/boot_time.hpp"
#include "tools/muster/plan/scaling_plan.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

struct simulate_options {
  std::string config_path;
  std::string history;               ///< of jobs, a file; or
  std::string recording;             ///< a flight recording, or a folder
  std::vector<std::string> policies; ///< files to be laid over, each a run
  std::string runner;                ///< its name; empty: the only one
  std::string tags; ///< that the runner has, with commas; empty: any
  std::optional<plan::price> at;
  simulated::boot_time boot;
  std::string boot_text = "lognormal(40s,0.3)";
  uint64_t seed = 1;
  bool json = false;
  std::string html; ///< a file to be written; empty: none
};

/// Reads a whole number, 0 or more.
///
/// Errors: `not_valid`.
result<uint64_t, config_errc> parse_seed(std::string_view text);

/// Plays jobs of the past with a configuration and shows what that came to.
/// Returns the exit status.
int simulate_config(const simulate_options& options);

} // namespace muster
