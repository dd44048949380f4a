#include "actors/metrics/series.hpp"
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
