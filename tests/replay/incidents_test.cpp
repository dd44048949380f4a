// What managers have recorded when something happened, run again: each folder
// here is a recording. A change that means to decide otherwise replaces those
// that it concerns; docs/replay.md tells how.

#include "messages/recording.hpp"
#include "tests/support/replays.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <vector>

using namespace muster;
using namespace muster::test;
namespace fs = std::filesystem;

namespace {

bool is_sent(const record& x, const std::string& type) {
  return x.kind == record_kind::sent && x.type == type;
}

/// Where the last record of which this is true stands.
template <class F>
std::vector<record>::iterator last(std::vector<record>& all, F what) {
  auto found = std::find_if(all.rbegin(), all.rend(), what);
  REQUIRE(found != all.rend());
  return std::prev(found.base());
}

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

TEST_CASE("what only the replay sends to an edge is told, if it is the last") {
  for (const auto& place : incidents())
    for (const char* type :
         {"write_job", "forget_job", "forget_instance", "forget_leftover",
          "list_instances", "request_job", "update_job", "exit_told"}) {
      CAPTURE(place);
      CAPTURE(type);
      auto all = records_of(place);
      all.erase(last(all, [type](const auto& x) { return is_sent(x, type); }));
      auto report = replayed(all);
      REQUIRE(report.diverged);
      CHECK_EQ(report.diverged->recorded, "");
      CHECK_NE(report.diverged->replayed.find(type), std::string::npos);
    }
}

TEST_CASE("what is missing everywhere is told where it first should be") {
  for (const auto& place : incidents())
    for (const char* type : {"write_job", "forget_job"}) {
      CAPTURE(place);
      CAPTURE(type);
      auto all = records_of(place);
      std::erase_if(all, [type](const auto& x) { return is_sent(x, type); });
      auto report = replayed(all);
      REQUIRE(report.diverged);
      CHECK_NE(report.diverged->replayed.find(type), std::string::npos);
      CHECK_LT(report.records, all.size() / 10);
    }
}

TEST_CASE("what was under way where a recording is cut off is no difference") {
  for (const auto& place : incidents()) {
    CAPTURE(place);
    const auto all = records_of(place);
    for (size_t size = 10; size < all.size(); size += 1'103) {
      CAPTURE(size);
      auto report
        = replayed({all.begin(), all.begin() + static_cast<ptrdiff_t>(size)});
      CHECK_MESSAGE(!report.diverged, told(report));
    }
  }
}

TEST_CASE("a timer that only the replay sets is told") {
  for (const auto& place : incidents()) {
    CAPTURE(place);
    const auto all = records_of(place);
    auto is_found = false;
    for (size_t i = all.size() - 1; i > 0 && !is_found; --i) {
      if (!all[i].is_timer)
        continue;
      // It ends a while later; towards its end little else is under way.
      std::vector<record> cut{all.begin(),
                              all.begin() + static_cast<ptrdiff_t>(i) + 1};
      record later;
      later.number = all[i].number + 1;
      later.at = all[i].at + std::chrono::milliseconds{1'500};
      later.unix_us = all[i].unix_us + 1'500'000;
      cut.push_back(later);
      if (replayed(cut).diverged)
        continue;
      is_found = true;
      cut.erase(cut.end() - 2);
      auto report = replayed(cut);
      REQUIRE(report.diverged);
      CHECK_EQ(report.diverged->recorded, "");
      CHECK_NE(report.diverged->replayed.find("it has set a timer for "),
               std::string::npos);
      CHECK_NE(report.diverged->replayed.find(all[i].type), std::string::npos);
    }
    CHECK(is_found);
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
