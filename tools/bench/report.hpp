#pragma once

#include "tools/bench/figure.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::bench {

/// What the figures were measured on.
struct circumstances {
  std::string version;    ///< of the manager, one line
  std::string build_type; ///< of its build folder; empty: not known
  int cores = 0;
  double memory_gib = 0;
  double load = 0; ///< of the last minute, before the first scenario
  int repeat = 0;
  /// Whatever makes the figures other than a user's, each in a sentence.
  std::vector<std::string> off;
};

/// Asks the program and the machine. `build` is the folder of the build.
circumstances look_around(const std::string& build, const std::string& manager);

/// For people: what is off and where it was measured.
std::string heading(const circumstances& about);
/// For people: a scenario's figures, each with its goal and the peer's.
std::string table(const outcome& what);

/// For programs: all of it.
nlohmann::json to_json(const circumstances& about,
                       const std::vector<outcome>& outcomes);

} // namespace muster::bench
