#include "actors/metrics/series.hpp"
#include "actors/metrics/table.hpp"
#include "messages/decisions.hpp"
#include "tests/support/exposition.hpp"
#include "tests/unit/docs/pages.hpp"

#include <doctest/doctest.h>
#include <set>
#include <string>

using namespace muster;
using namespace muster::test;

namespace {

const char* type_name(series_type x) {
  switch (x) {
    case series_type::counter:
      return "counter";
    case series_type::gauge:
      return "gauge";
    case series_type::histogram:
      break;
  }
  return "histogram";
}

/// `| `name` | type | labels | meaning |` to its cells, the backticks left out.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> out;
  size_t at = 1;
  for (auto end = line.find('|', at); end != std::string::npos;
       end = line.find('|', at)) {
    auto cell = line.substr(at, end - at);
    std::erase(cell, '`');
    auto from = cell.find_first_not_of(' ');
    auto to = cell.find_last_not_of(' ');
    out.push_back(from == std::string::npos ? ""
                                            : cell.substr(from, to - from + 1));
    at = end + 1;
  }
  return out;
}

} // namespace

TEST_CASE("the page about metrics has every series, as it is") {
  std::set<std::string> documented;
  for (const auto& line : prose_of(read_page("docs/metrics.md"))) {
    if (!line.starts_with("| `"))
      continue;
    auto cells = cells_of(line);
    if (cells.size() < 4)
      continue; // another table
    CAPTURE(line);
    REQUIRE(documented.insert(cells[0]).second);
    bool found = false;
    for (const auto& info : known_series()) {
      if (info.name != cells[0])
        continue;
      found = true;
      CHECK_EQ(cells[1], type_name(info.type));
      auto labels = std::string{info.labels};
      constexpr std::string_view of_runner = "runner, runner_name, system_id";
      if (auto at = labels.find(of_runner); at != std::string::npos)
        labels
          = labels.substr(0, at) + 'R' + labels.substr(at + of_runner.size());
      CHECK_EQ(cells[2], labels);
      CHECK(!cells[3].empty());
    }
    CHECK(found);
  }
  for (const auto& info : known_series()) {
    CAPTURE(std::string{info.name});
    CHECK(documented.contains(std::string{info.name}));
  }
}

TEST_CASE("the rules of decisions are the same in code, metric and docs") {
  std::set<std::string> known;
  for (size_t i = 0; i <= static_cast<size_t>(last_decision_rule); ++i)
    known.insert(to_string(static_cast<decision_rule>(i)));

  std::set<std::string> documented;
  bool in_rules = false;
  for (const auto& line : read_page("docs/explain.md").lines) {
    if (line.starts_with("#"))
      in_rules = line == "## Rules";
    if (in_rules && line.starts_with("| `"))
      CHECK(documented.insert(cells_of(line)[0]).second);
  }
  CHECK_EQ(documented, known);

  // All there ever are, before anything was decided.
  metrics_table table{{"1.0", "abc", "main", 4}};
  auto group = table.runner({})->group();
  const exposition shown{table.text()};
  std::set<std::string> labels;
  for (const auto& [sample, value] : shown.samples()) {
    if (!sample.starts_with("muster_scaling_decisions_total{"))
      continue;
    CHECK_EQ(value, 0);
    const std::string begin = "rule=\"";
    auto at = sample.find(begin);
    REQUIRE_NE(at, std::string::npos);
    at += begin.size();
    labels.insert(sample.substr(at, sample.find('"', at) - at));
  }
  CHECK_EQ(labels, known);
}
