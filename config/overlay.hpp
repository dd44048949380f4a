#pragma once

#include "config/load.hpp"

#include <string>

namespace muster {

struct text_file {
  std::string path; ///< for messages
  std::string text;
};

/// Reads a configuration with the keys of `[runners.autoscaler]` in `over` laid
/// over those of each runner in `base` that has that section: a key takes the
/// place of the one there with all that is in it, so that
/// `[[runners.autoscaler.policy]]` replaces all policies.
///
/// What is wrong is told of the file in which it stands; it is fatal if `over`
/// has anything else. `source` is left empty: it is the text of either file.
loaded_config parse_laid_over(const text_file& base, const text_file& over,
                              const load_options& options = {});

} // namespace muster
