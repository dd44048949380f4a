#pragma once

#include "config/config.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>
#include <vector>

namespace muster::simulate {

/// A configuration by itself, or with a policy laid over, and the runner in it
/// whose group is played.
struct variant {
  std::string name; ///< of the column, each another one
  config whole;
  runner_config runner;
};

/// Reads a configuration, which comes first, and each policy laid over it.
/// Tells on stderr what is wrong in them, as `check` does. `runner`: its name,
/// or its number among those with an autoscaler, from 1; empty: the only one.
///
/// Errors: `not_readable`; `not_valid`: one of them cannot be played, the text
/// is empty where all has been told.
result<std::vector<variant>, config_errc>
read_variants(const std::string& config_path,
              const std::vector<std::string>& policies,
              const std::string& runner);

} // namespace muster::simulate
