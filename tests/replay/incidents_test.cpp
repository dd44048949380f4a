// What managers have recorded when something happened, run again: each folder
// here is a recording. A change that means to decide otherwise replaces those
// that it concerns; docs/replay.md tells how.

#include "messages/recording.hpp"
#include "tests/support/replays.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <set>
#include <string>

using namespace muster;
using namespace muster::test;
namespace fs = std::filesystem;

namespace {

std::set<std::string> incidents() {
  const auto* folder = std::getenv("MUSTER_INCIDENTS");
  REQUIRE_NE(folder, nullptr);
  std::set<std::string> out;
  for (const auto& x : fs::directory_iterator{folder})
    if (x.is_directory())
      out.insert(x.path());
  return out;
}

} // namespace

TEST_CASE("incidents of the past come out again as they were") {
  REQUIRE_FALSE(incidents().empty());
  for (const auto& place : incidents()) {
    CAPTURE(place);
    auto report = replayed(records_of(place));
    CHECK_MESSAGE(!report.diverged, told(report));
    CHECK_EQ(report.skipped, 0);
    CHECK_EQ(report.remarks, std::vector<std::string>{});
    CHECK_GE(report.compared, 1'000);
  }
}

TEST_CASE(
  "a muster that decides otherwise is told from the one that recorded") {
  for (const auto& place : incidents()) {
    CAPTURE(place);
    auto all = records_of(place);
    // As if it had another idea of how many instances there may be.
    const std::string key = "max_instances = ";
    for (auto& x : all)
      if (x.what.match_elements<config_in_force>()) {
        auto config = x.what.get_as<config_in_force>(0);
        auto value = config.text.find(key);
        REQUIRE_NE(value, std::string::npos);
        config.text.replace(value + key.size(), 1, "1");
        x.what = caf::make_message(std::move(config));
      }
    auto report = replayed(all);
    REQUIRE(report.diverged);
    CHECK_NE(report.diverged->recorded, report.diverged->replayed);
    CHECK_NE(report.diverged->state.find("group_state"), std::string::npos);
  }
}

TEST_CASE("what this muster cannot read is told, and replay goes on") {
  for (const auto& place : incidents()) {
    CAPTURE(place);
    const auto all = records_of(place);
    for (size_t first = 0; first < 20; ++first) {
      auto cut = all;
      for (auto i = first; i < cut.size(); i += 97)
        cut[i].what = {};
      auto report = replayed(cut);
      CHECK_FALSE(report.remarks.empty());
      CHECK_GE(report.records, 10);
    }
  }
}
