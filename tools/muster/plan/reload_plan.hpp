#pragma once

#include "config/difference.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace muster::plan {

enum class runner_fate : uint8_t { kept, added, removed, refused };

std::string_view to_string(runner_fate x);

/// What a reload does to one runner.
struct runner_reload {
  std::string name; ///< in quotes, or the part of its token that may be shown
  runner_fate fate = runner_fate::kept;
  std::string refused; ///< why it would not be served
  std::vector<key_change> keys;
  bool replaces_instances = false; ///< as they become free
  bool restarts_plugin = false;
  bool deletes_instances = false; ///< with its last job, when it is removed
};

/// What a running manager would do with another file.
struct reload_plan {
  std::string from;
  std::string to;
  /// A runner that is served has a fault in the new file: nothing is done.
  bool stays = false;
  std::vector<key_change> keys;       ///< of the whole file
  std::vector<runner_reload> runners; ///< those that are not as they were
};

/// Works out what becomes of a configuration that is in force when another is
/// read. `left_out`: the runners of that one that cannot be served.
reload_plan reload_of(const config& before, const config& after,
                      size_t left_out);

} // namespace muster::plan
