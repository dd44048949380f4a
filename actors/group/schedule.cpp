#include "actors/group/schedule.hpp"

#include "actors/group/time_zone.hpp"
#include "config/period.hpp"

#include <algorithm>
#include <date/tz.h>
#include <ranges>

namespace muster {

namespace {

using std::chrono::minutes;

/// Whether every minute lies in the period, whatever the time zone.
bool is_always(const period& x) {
  // The bits that no value has are not asked for: bit 0 of days and months, and
  // 7, the other Sunday.
  auto days = x.days, full_days = std::bitset<32>{}.set();
  auto months = x.months, full_months = std::bitset<13>{}.set();
  return x.minutes.all() && x.hours.all() && days.set(0) == full_days
         && months.set(0) == full_months
         && (x.weekdays.to_ulong() & 0x7f) == 0x7f;
}

bool contains(const period& what, date::local_seconds at) {
  auto day = date::floor<date::days>(at);
  auto calendar = date::year_month_day{day};
  auto clock = date::hh_mm_ss<std::chrono::seconds>{at - day};
  return matches(what, static_cast<int>(clock.minutes().count()),
                 static_cast<int>(clock.hours().count()),
                 static_cast<int>(static_cast<unsigned>(calendar.day())),
                 static_cast<int>(static_cast<unsigned>(calendar.month())),
                 static_cast<int>(date::weekday{day}.c_encoding()));
}

policy policy_of(const policy_config& x, int index) {
  policy result;
  result.index = index;
  result.idle_count = x.idle_count;
  result.idle_time = x.idle_time;
  result.scale_factor = x.scale_factor;
  result.scale_factor_limit = x.scale_factor_limit;
  result.preemptive = x.preemptive_mode.value_or(x.idle_count > 0);
  return result;
}

/// The name of the zone that a policy means.
std::string zone_name(const policy_config& x, const std::string& local_zone) {
  if (!x.timezone.empty() && x.timezone != "Local")
    return x.timezone;
  return local_zone.empty() ? local_zone_name() : local_zone;
}

} // namespace

struct schedule::entry {
  policy what;
  std::vector<period> periods;
  bool always = false;
  const date::time_zone* zone = nullptr; ///< null: UTC

  bool matches_at(time when) const {
    if (always)
      return true;
    auto local = wall_clock(zone, when);
    return std::ranges::any_of(
      periods, [local](const period& x) { return contains(x, local); });
  }
};

schedule::schedule() = default;

result<schedule, config_errc>
schedule::make(const std::vector<policy_config>& policies,
               const std::string& local_zone) {
  schedule result;
  for (const auto& x : policies) {
    auto made = std::make_shared<entry>();
    made->what = policy_of(x, static_cast<int>(result.entries_.size()));
    for (const auto& text : x.periods) {
      auto read = parse_period(text);
      if (!read)
        return fail(read.error().code,
                    "configuring taskscaler schedules: " + read.error().text);
      made->periods.push_back(*read);
    }
    made->always = std::ranges::any_of(made->periods, is_always);
    if (!made->always) {
      auto zone = find_zone(zone_name(x, local_zone));
      if (!zone)
        return tl::unexpected{zone.error()};
      made->zone = *zone;
    }
    result.entries_.push_back(std::move(made));
  }
  return result;
}

const schedule::entry* schedule::entry_at(time when) const {
  for (const auto& x : std::views::reverse(entries_))
    if (x->matches_at(when))
      return x.get();
  return nullptr;
}

const policy& schedule::at(time when) const {
  const auto* found
    = last_.from <= when && when < last_.until ? last_.found : entry_at(when);
  return found != nullptr ? found->what : built_in_;
}

schedule::time schedule::next_change(time when) const {
  if (std::ranges::all_of(entries_, [](const auto& x) { return x->always; }))
    return time::max();
  if (when < last_.from || when >= last_.until) {
    const auto* now = entry_at(when);
    last_ = {when, find_change(when, now), now};
  }
  return last_.until;
}

schedule::time schedule::find_change(time when, const entry* now) const {
  auto last = when + horizon;
  for (time at = date::floor<minutes>(when) + minutes{1}; at <= last;
       at += minutes{1})
    if (entry_at(at) != now)
      return at;
  return last;
}

} // namespace muster
