#include "actors/group/week.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

using std::chrono::year_month_day;

policy_config entry(std::vector<std::string> periods,
                    std::string zone = "Europe/Berlin", int idle = 1) {
  policy_config result;
  result.periods = std::move(periods);
  result.timezone = std::move(zone);
  result.idle_count = idle;
  return result;
}

using lines = std::vector<std::string>;

policy_week week(const std::vector<policy_config>& policies,
                 year_month_day monday, const std::string& zone) {
  auto made = schedule::make(policies, "UTC");
  REQUIRE(made);
  auto out = week_of(*made, monday, zone);
  REQUIRE(out);
  return *out;
}

constexpr year_month_day usual = 2026y / 6 / 1;

/// `mon-fri 08:00-18:00 1`: when which policy is in force; of an hour that is
/// shared `0x30 1x30`.
lines table(const std::vector<policy_config>& policies,
            year_month_day monday = usual,
            const std::string& zone = "Europe/Berlin") {
  lines out;
  for (const auto& x : blocks_of(week(policies, monday, zone))) {
    auto line = when(x);
    for (const auto& share : x.shares)
      line
        += " " + std::to_string(share.what.index)
           + (x.shares.size() > 1 ? "x" + std::to_string(share.minutes) : "");
    out.push_back(line);
  }
  return out;
}

lines gaps(const std::vector<policy_config>& policies) {
  return gaps_of(blocks_of(week(policies, usual, "Europe/Berlin")));
}

std::chrono::minutes length(const policy_week& of) {
  std::chrono::minutes out{0};
  for (const auto& x : of.runs)
    out += x.length;
  return out;
}

} // namespace

TEST_CASE("days in a row that are alike are one block") {
  CHECK_EQ(table({entry({"* * * * *"})}), lines{"mon-sun 00:00-24:00 0"});
  CHECK_EQ(table({}), lines{"mon-sun 00:00-24:00 -1"});
  CHECK_EQ(table({entry({"* * * * *"}), entry({"* 8-17 * * mon-fri"})}),
           lines{"mon-fri 00:00-08:00 0", "mon-fri 08:00-18:00 1",
                 "mon-fri 18:00-24:00 0", "sat-sun 00:00-24:00 0"});
  CHECK_EQ(table({entry({"* * * * tue"}), entry({"30-59 22 * * sun"})}),
           lines{"mon 00:00-24:00 -1", "tue 00:00-24:00 0",
                 "wed-sat 00:00-24:00 -1", "sun 00:00-22:30 -1",
                 "sun 22:30-23:00 1", "sun 23:00-24:00 -1"});
}

TEST_CASE("periods of another zone are told by the clocks of the week's") {
  CHECK_EQ(table({entry({"* 9-16 * * mon"}, "America/New_York")}),
           lines{"mon 00:00-15:00 -1", "mon 15:00-23:00 0",
                 "mon 23:00-24:00 -1", "tue-sun 00:00-24:00 -1"});
  CHECK_EQ(table({entry({"* 23 * * sun"}, "UTC")}), // Monday in Berlin
           lines{"mon 00:00-01:00 -1", "mon 01:00-02:00 0",
                 "mon 02:00-24:00 -1", "tue-sun 00:00-24:00 -1"});
}

TEST_CASE("policies that alternate within the hour are told by their share") {
  CHECK_EQ(table({entry({"* * * * *"}), entry({"*/2 8-17 * * *"})}),
           lines{"mon-sun 00:00-08:00 0", "mon-sun 08:00-18:00 1x30 0x30",
                 "mon-sun 18:00-24:00 0"});
}

TEST_CASE("what no policy is in force for is a gap") {
  CHECK_EQ(gaps({entry({"* * * * *"})}), lines{});
  CHECK_EQ(gaps({entry({"* 22-6 * * *"}), entry({"* 7-21 * * *"})}), lines{});
  CHECK_EQ(
    gaps({entry({"* 8-17 * * mon-fri"}), entry({"* * * * sat"})}),
    lines{"mon-fri 00:00-08:00", "mon-fri 18:00-24:00", "sun 00:00-24:00"});
  CHECK_EQ(gaps({entry({"0-39 * * * *"})}),
           lines{"mon-sun 00:00-24:00 (20 minutes of each hour)"});
  CHECK_EQ(gaps({entry({"* * * 12 *"})}), lines{"mon-sun 00:00-24:00"});
}

TEST_CASE("a week is as long as clocks make it") {
  auto policies = {entry({"* * * * *"}), entry({"* 2 * * sun"})};
  struct row {
    year_month_day monday;
    std::chrono::minutes length;
    std::chrono::minutes at_two; ///< on Sunday
  };
  const row rows[] = {
    {usual, 168h, 1h}, {2026y / 3 / 23, 167h, 0h}, {2026y / 10 / 19, 169h, 2h}};
  for (const auto& r : rows) {
    auto made = week(policies, r.monday, "Europe/Berlin");
    CHECK_EQ(length(made), r.length);
    std::chrono::minutes second{0};
    for (const auto& x : made.runs)
      if (x.what.index == 1)
        second += x.length;
    CHECK_EQ(second, r.at_two);
  }
  // A day on which clocks change is like any other if its policies are.
  CHECK_EQ(table({entry({"* * * * *"})}, 2026y / 3 / 23),
           lines{"mon-sun 00:00-24:00 0"});
  CHECK_EQ(table({entry({"* * * * *"})}, 2026y / 10 / 19),
           lines{"mon-sun 00:00-24:00 0"});
}

TEST_CASE("a week begins with Monday by the clocks of its zone") {
  using std::chrono::sys_days;
  CHECK_EQ(monday_of(sys_days{2026y / 6 / 7} + 23h, "UTC"), usual);
  CHECK_EQ(monday_of(sys_days{2026y / 6 / 7} + 23h, "Europe/Berlin"),
           2026y / 6 / 8);
  CHECK_EQ(monday_of(sys_days{2026y / 6 / 1}, "America/New_York"),
           2026y / 5 / 25);
  auto bad = monday_of(sys_days{2026y / 6 / 1}, "Mars/Olympus");
  REQUIRE_FALSE(bad);
  CHECK_NE(bad.error().text.find("Mars/Olympus"), std::string::npos);
  CHECK_FALSE(week_of(schedule{}, usual, "Mars/Olympus"));
}

TEST_CASE("periods that name days or months differ by date") {
  CHECK_FALSE(differs_by_date({}));
  CHECK_FALSE(differs_by_date({entry({"* 8-17 * * mon-fri"})}));
  CHECK_FALSE(differs_by_date({entry({"* * 1-31 1-12 *"})}));
  CHECK(differs_by_date({entry({"* * * * *", "* * 24 * *"})}));
  CHECK(differs_by_date({entry({"* * * dec *"})}));
}

TEST_CASE("the zone of a week is that of its periods") {
  auto always = entry({"* * * * *"}, "Asia/Tokyo");
  auto berlin = entry({"* 8 * * *"});
  CHECK_EQ(zone_of({always, berlin, berlin}), "Europe/Berlin");
  CHECK_EQ(zone_of({berlin, entry({"* 9 * * *"}, "UTC")}), zone_of({}));
  CHECK_EQ(zone_of({entry({"* 9 * * *"}, "Local")}), zone_of({}));
}
