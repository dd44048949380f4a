// What managers have recorded when something happened, run again: each folder
// here is a recording. A change that means to decide otherwise replaces those
// that it concerns; docs/replay.md tells how.

#include "messages/group.hpp"
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

struct temporary_copy {
  fs::path folder;

  explicit temporary_copy(const std::string& of) {
    auto name = (fs::temp_directory_path() / "muster-replay.XXXXXX").string();
    REQUIRE_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    fs::copy(of, folder);
  }

  temporary_copy(const temporary_copy&) = delete;
  temporary_copy& operator=(const temporary_copy&) = delete;

  ~temporary_copy() {
    fs::remove_all(folder);
  }

  void remove_first(size_t count) const {
    std::set<fs::path> files;
    for (const auto& x : fs::directory_iterator{folder})
      files.insert(x.path());
    REQUIRE_GT(files.size(), count);
    auto next = files.begin();
    for (size_t i = 0; i < count; ++i)
      fs::remove(*next++);
  }
};

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

TEST_CASE("a group that decides otherwise in the middle of a run is told") {
  for (const auto& place : incidents()) {
    CAPTURE(place);
    temporary_copy half{place};
    half.remove_first(5);
    auto all = records_of(half.folder);
    CHECK_GT(all.back().number, all.size() + 1'000); // it began before
    CHECK_FALSE(replayed(all).diverged);
    auto of_group = [](const record& x) {
      return x.from.role.ends_with("/group") || x.to.role.ends_with("/group");
    };
    SUBCASE("about the number of instances") {
      auto found = last(all, [&](const record& x) {
        return of_group(x) && x.what.match_elements<decision_note>();
      });
      found->what.get_mutable_as<decision_note>(0).required += 1;
      auto report = replayed(all);
      REQUIRE(report.diverged);
      CHECK_EQ(report.diverged->at.number, found->number);
    }
    SUBCASE("about who gets which slot") {
      auto found = last(all, [&](const record& x) {
        return of_group(x) && x.what.match_elements<occupy>();
      });
      found->what.get_mutable_as<occupy>(0).slot += 1;
      auto report = replayed(all);
      REQUIRE(report.diverged);
      CHECK_EQ(report.diverged->at.number, found->number);
      CHECK(report.diverged->actor.ends_with("/group"));
      CHECK_NE(report.diverged->state.find("group_state"), std::string::npos);
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
