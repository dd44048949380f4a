#pragma once

#include "tools/muster/simulate/figures.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster::simulate {

/// What is told of a comparison beside the figures.
struct report_head {
  std::string config_path;
  std::string history_path;
  std::string runner;    ///< its name
  size_t not_run = 0;    ///< jobs left out: never begun, or not over
  size_t other_tags = 0; ///< jobs left out: of tags that the runner has not
  int64_t begins = 0;    ///< Unix time [s]
  uint64_t seed = 1;
  std::string boot;                     ///< as written
  std::optional<double> price_per_hour; ///< of an instance
};

/// A table, a column a policy.
std::string text_of(const report_head& head, const std::vector<outcome>& all);

/// The same for programs.
std::string json_of(const report_head& head, const std::vector<outcome>& all);

/// A page that needs nothing beside it: the table, and a chart each of
/// instances, busy slots and queue over time. It is well-formed XML, too.
std::string html_of(const report_head& head, const std::vector<outcome>& all);

/// How many jobs are left out, and why, as a sentence; empty if none are.
std::string left_out_text(const report_head& head);

/// With which boot times, seed and price all was played.
std::string settings_text(const report_head& head);

/// A row of the table.
struct report_row {
  std::string name;
  std::vector<std::string> cells; ///< by policy
};

/// The table without its head.
std::vector<report_row> rows_of(const std::vector<outcome>& all);

} // namespace muster::simulate
