#pragma once

#include "tools/muster/simulate/figures.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace muster::simulate {

/// What is told of a comparison beside the figures.
struct report_head {
  std::string config_path;
  std::string history_path;
  std::string runner;       ///< its name
  size_t jobs_left_out = 0; ///< never run, or of tags that the runner has not
  int64_t begins = 0;       ///< Unix time [s]
  uint64_t seed = 1;
  std::string boot; ///< as written
};

/// A table, a column a policy.
std::string text_of(const report_head& head, const std::vector<outcome>& all);

/// The same for programs.
std::string json_of(const report_head& head, const std::vector<outcome>& all);

/// A page that needs nothing beside it: the table, and a chart each of
/// instances, busy slots and queue over time. It is well-formed XML, too.
std::string html_of(const report_head& head, const std::vector<outcome>& all);

/// A row of the table.
struct report_row {
  std::string name;
  std::vector<std::string> cells; ///< by policy
};

/// The table without its head.
std::vector<report_row> rows_of(const std::vector<outcome>& all);

} // namespace muster::simulate
