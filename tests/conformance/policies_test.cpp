// Which policy is in force when (reference/autoscaling, section 15).

#include "actors/group/schedule.hpp"

#include <doctest/doctest.h>

#include <date/date.h>
#include <sstream>

using namespace muster;

namespace {

schedule::time at(const std::string& text) {
  date::sys_seconds result;
  std::istringstream in{text};
  in >> date::parse("%Y-%m-%d %H:%M:%S", result);
  REQUIRE_FALSE(in.fail());
  return result;
}

policy_config entry(std::vector<std::string> periods, std::string zone,
                    int idle) {
  policy_config result;
  result.periods = std::move(periods);
  result.timezone = std::move(zone);
  result.idle_count = idle;
  return result;
}

} // namespace

TEST_CASE("office hours in New York follow its wall clock") {
  auto made = schedule::make(
    {entry({"* 8-15 * * mon-fri"}, "America/New_York", 7)}, "UTC");
  REQUIRE(made);
  struct row {
    const char* when;
    bool in_force;
  };
  const row rows[] = {
    {"2026-07-06 11:59:00", false}, {"2026-07-06 12:00:00", true},
    {"2026-07-06 19:59:59", true},  {"2026-07-06 20:00:00", false},
    {"2026-01-05 12:30:00", false}, {"2026-01-05 13:00:00", true},
  };
  for (const auto& r : rows) {
    CAPTURE(r.when);
    CHECK_EQ(made->at(at(r.when)).idle_count == 7, r.in_force);
  }
}

TEST_CASE("of overlapping policies the last one in the file wins as a whole") {
  auto made = schedule::make(
    {entry({"1 * * * *"}, "UTC", 5), entry({"* * * * mon,sun"}, "UTC", 10),
     entry({"5 2 * * wed"}, "UTC", 20),
     entry({"0 0 * * fri"}, "America/Los_Angeles", 50)},
    "UTC");
  REQUIRE(made);
  struct row {
    const char* when;
    int idle;
  };
  const row rows[] = {
    {"2020-02-05 02:05:00", 20}, {"2020-02-03 00:00:00", 10},
    {"2020-02-05 02:01:00", 5},  {"2020-02-05 02:08:00", 0},
    {"2020-02-07 00:00:00", 0},  {"2020-02-07 08:00:00", 50},
  };
  for (const auto& r : rows) {
    CAPTURE(r.when);
    CHECK_EQ(made->at(at(r.when)).idle_count, r.idle);
  }
  CHECK_EQ(made->at(at("2020-02-05 02:08:00")).idle_time,
           std::chrono::minutes{5});
}

TEST_CASE("a skipped minute never matches, a repeated one matches twice") {
  auto minutes_of = [](const std::string& period, const std::string& from) {
    auto made = schedule::make({entry({period}, "America/New_York", 1)}, "UTC");
    REQUIRE(made);
    auto count = 0;
    for (auto i = 0; i < 24 * 60; ++i)
      count += made->at(at(from) + std::chrono::minutes{i}).idle_count;
    return count;
  };
  CHECK_EQ(minutes_of("* 2 8 3 *", "2026-03-08 00:00:00"), 0);
  CHECK_EQ(minutes_of("* 1 1 11 *", "2026-11-01 00:00:00"), 120);
}

TEST_CASE("fields are all to match, and a step is modulo the value itself") {
  struct row {
    const char* period;
    const char* when;
    bool in_force;
  };
  const row rows[] = {
    {"* * 1-7 * mon", "2026-06-01 10:00:00", true}, // the first Monday
    {"* * 1-7 * mon", "2026-06-08 10:00:00", false},
    {"* * 1-7 * mon", "2026-06-02 10:00:00", false},
    {"1-10/3 * * * *", "2026-06-01 10:03:00", true},
    {"1-10/3 * * * *", "2026-06-01 10:04:00", false},
    {"* * */2 * *", "2026-06-02 10:00:00", true},
    {"* * */2 * *", "2026-06-03 10:00:00", false},
    {"5/10 * * * *", "2026-06-01 10:05:00", false},
    {"7/7 * * * *", "2026-06-01 10:07:00", true},
    {"* * * * */7", "2026-06-07 10:00:00", true}, // Sunday
    {"* * * * */7", "2026-06-08 10:00:00", false},
    {"* * * * 5-7", "2026-06-07 10:00:00", true},
    {"* * * * 0", "2026-06-07 10:00:00", true},
    {"* * * * 7", "2026-06-07 10:00:00", true},
    // The peer lets a descending range match everything; here it wraps around.
    {"* 22-6 * * *", "2026-06-01 23:00:00", true},
    {"* 22-6 * * *", "2026-06-01 06:59:00", true},
    {"* 22-6 * * *", "2026-06-01 12:00:00", false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.period);
    CAPTURE(r.when);
    auto made = schedule::make({entry({r.period}, "UTC", 1)}, "UTC");
    REQUIRE(made);
    CHECK_EQ(made->at(at(r.when)).idle_count == 1, r.in_force);
  }
}

TEST_CASE("periods that GitLab refuses make the whole list fail") {
  for (const auto* period :
       {"* * * * * *", "@daily", "? * * * *", "60 * * * *", "*/0 * * * *",
        "*/60 * * * *", "* * L * *", "* * * january *", "", "* * * *"}) {
    CAPTURE(period);
    auto made = schedule::make(
      {entry({"* * * * *"}, "UTC", 1), entry({period}, "UTC", 1)}, "UTC");
    REQUIRE_FALSE(made);
    CHECK(made.error().text.starts_with("configuring taskscaler schedules: "));
  }
}
