#include "actors/group/week.hpp"

#include "actors/group/time_zone.hpp"
#include "config/period.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <set>
#include <utility>

namespace muster {

namespace {

using std::chrono::minutes;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr int days_of_week = 7;

/// The first moment at which the clock shows midnight, or more if it skips it.
sys_seconds midnight(const date::time_zone* zone, sys_days day) {
  date::local_seconds wanted{day.time_since_epoch()};
  // No zone is a day and a half away from UTC.
  auto at = sys_seconds{day} - std::chrono::hours{36};
  while (wall_clock(zone, at) < wanted)
    at += minutes{15}; // clocks are changed on quarters of an hour
  return at;
}

/// Puts a minute at the end of a week.
void add_minute(std::vector<week_run>& runs, int day, int minute,
                const policy& what) {
  auto goes_on = !runs.empty() && runs.back().day == day
                 && runs.back().what == what && runs.back().to == minute;
  if (!goes_on)
    runs.push_back({day, minute, minute, minutes{0}, what});
  runs.back().to = minute + 1;
  runs.back().length += minutes{1};
}

/// Where clocks go forwards or back within a run it is one all the same.
std::vector<week_run> joined(const std::vector<week_run>& runs) {
  std::vector<week_run> out;
  for (const auto& x : runs) {
    if (out.empty() || out.back().day != x.day || out.back().what != x.what) {
      out.push_back(x);
      continue;
    }
    out.back().from = std::min(out.back().from, x.from);
    out.back().to = std::max(out.back().to, x.to);
    out.back().length += x.length;
  }
  return out;
}

using day_blocks = std::vector<week_block>;

bool same_times(const day_blocks& a, const day_blocks& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.from == y.from && x.to == y.to && x.shares == y.shares;
  });
}

/// The hours of a day by what they consist of.
day_blocks by_hour(const std::vector<week_run>& runs) {
  day_blocks out;
  for (int hour = 0; hour < 24; ++hour) {
    week_block x{
      runs.front().day, runs.front().day, hour * 60, hour * 60 + 60, {}};
    for (const auto& run : runs) {
      auto inside = std::min(run.to, x.to) - std::max(run.from, x.from);
      if (inside <= 0)
        continue;
      auto known = std::ranges::find(x.shares, run.what, &hour_share::what);
      if (known != x.shares.end())
        known->minutes = std::min(60, known->minutes + inside);
      else
        x.shares.push_back({run.what, inside});
    }
    if (x.shares.empty())
      continue; // skipped by daylight saving
    if (!out.empty() && out.back().to == x.from
        && out.back().shares == x.shares)
      out.back().to = x.to;
    else
      out.push_back(std::move(x));
  }
  return out;
}

day_blocks blocks_of_day(const std::vector<week_run>& runs) {
  if (runs.size() > changes_max)
    return by_hour(runs);
  day_blocks out;
  for (const auto& x : runs)
    out.push_back({x.day, x.day, x.from, x.to, {{x.what, 60}}});
  return out;
}

/// `24:00` for the end of a day.
std::string clock_text(int minute) {
  return fmt::format("{:02}:{:02}", minute / 60, minute % 60);
}

} // namespace

result<policy_week, config_errc> week_of(const schedule& policies,
                                         std::chrono::year_month_day monday,
                                         const std::string& zone) {
  auto found = find_zone(zone);
  if (!found)
    return tl::unexpected{found.error()};
  policy_week out{monday, zone.empty() ? "UTC" : zone, {}};
  auto first = sys_days{monday};
  auto end = midnight(*found, first + std::chrono::days{days_of_week});
  std::vector<week_run> runs;
  for (auto at = midnight(*found, first); at < end; at += minutes{1}) {
    auto clock = wall_clock(*found, at);
    auto day = date::floor<date::days>(clock);
    auto minute = date::floor<minutes>(clock) - day;
    auto number = (day.time_since_epoch() - first.time_since_epoch()).count();
    if (number >= 0 && number < days_of_week) // clocks go back over midnight
      add_minute(runs, static_cast<int>(number),
                 static_cast<int>(minute.count()), policies.at(at));
  }
  out.runs = joined(runs);
  return out;
}

result<std::chrono::year_month_day, config_errc>
monday_of(sys_seconds when, const std::string& zone) {
  auto found = find_zone(zone);
  if (!found)
    return tl::unexpected{found.error()};
  sys_days day{
    date::floor<date::days>(wall_clock(*found, when)).time_since_epoch()};
  return std::chrono::year_month_day{
    day - (std::chrono::weekday{day} - std::chrono::Monday)};
}

std::vector<week_block> blocks_of(const policy_week& week) {
  std::vector<week_block> out;
  day_blocks former;
  for (int day = 0; day < days_of_week; ++day) {
    std::vector<week_run> runs;
    std::ranges::copy_if(week.runs, std::back_inserter(runs),
                         [day](const auto& x) { return x.day == day; });
    if (runs.empty())
      continue;
    auto blocks = blocks_of_day(runs);
    if (same_times(former, blocks)) {
      for (auto i = out.size() - blocks.size(); i < out.size(); ++i)
        out[i].last_day = day;
    } else {
      out.insert(out.end(), blocks.begin(), blocks.end());
    }
    former = std::move(blocks);
  }
  return out;
}

std::string when(const week_block& x) {
  constexpr std::array<std::string_view, days_of_week> names{
    "mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  auto days = std::string{names.at(static_cast<size_t>(x.first_day))};
  if (x.last_day != x.first_day)
    days += fmt::format("-{}", names.at(static_cast<size_t>(x.last_day)));
  return fmt::format("{} {}-{}", days, clock_text(x.from), clock_text(x.to));
}

std::vector<std::string> gaps_of(const std::vector<week_block>& week) {
  std::vector<std::string> out;
  for (const auto& x : week)
    for (const auto& share : x.shares)
      if (share.what.index < 0)
        out.push_back(x.shares.size() == 1
                        ? when(x)
                        : fmt::format("{} ({} minutes of each hour)", when(x),
                                      share.minutes));
  return out;
}

bool differs_by_date(const std::vector<policy_config>& policies) {
  constexpr int last_day = 31;
  constexpr int last_month = 12;
  for (const auto& x : policies)
    for (const auto& text : x.periods) {
      auto read = parse_period(text);
      if (!read)
        continue;
      for (int day = 1; day <= last_day; ++day)
        if (!read->days[static_cast<size_t>(day)])
          return true;
      for (int month = 1; month <= last_month; ++month)
        if (!read->months[static_cast<size_t>(month)])
          return true;
    }
  return false;
}

std::string zone_of(const std::vector<policy_config>& policies) {
  std::set<std::string> zones;
  for (const auto& x : policies)
    if (x.periods != std::vector<std::string>{"* * * * *"})
      zones.insert(x.timezone == "Local" ? "" : x.timezone);
  if (zones.size() == 1 && !zones.begin()->empty())
    return *zones.begin();
  return local_zone_name();
}

} // namespace muster
