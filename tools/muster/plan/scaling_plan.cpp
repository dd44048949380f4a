#include "tools/muster/plan/scaling_plan.hpp"

#include "actors/group/capacity.hpp"
#include "config/diagnostic.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace muster::plan {

namespace {

constexpr double minutes_of_hour = 60;

/// Digits only, all of them.
std::optional<int> number(std::string_view text) {
  int out = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out);
  if (text.empty() || text[0] == '-' || error != std::errc{} || stop != end)
    return std::nullopt;
  return out;
}

result<std::chrono::year_month_day, config_errc>
monday_for(const plan_options& with, const std::string& zone) {
  if (!with.day)
    return monday_of(with.now, zone);
  std::chrono::sys_days day{*with.day};
  return monday_of(day, "UTC");
}

double hours(std::chrono::minutes x) {
  return static_cast<double>(x.count()) / minutes_of_hour;
}

instance_hours hours_of(const group_plan& x) {
  instance_hours out;
  double all = 0;
  for (const auto& run : x.week.runs) {
    out.floor += hours(run.length) * instances_kept(x, run.what);
    all += hours(run.length);
  }
  if (x.max_instances > 0)
    out.most = all * x.max_instances;
  return out;
}

result<group_plan, config_errc> group_of(const autoscaler_config& from,
                                         const plan_options& with) {
  auto schedule = schedule::make(from.policies);
  if (!schedule)
    return tl::unexpected{schedule.error()};
  auto zone = with.zone.empty() ? zone_of(from.policies) : with.zone;
  auto monday = monday_for(with, zone);
  if (!monday)
    return tl::unexpected{monday.error()};
  auto week = week_of(*schedule, *monday, zone);
  if (!week)
    return tl::unexpected{week.error()};
  group_plan out;
  out.plugin = from.plugin;
  out.name = from.group_name;
  out.capacity_per_instance = from.capacity_per_instance;
  out.max_use_count = from.max_use_count;
  out.max_instances = from.max_instances;
  if (out.max_instances == 0)
    out.max_instances = static_cast<int>(
      std::min<int64_t>(from.plugin_instances_max, INT32_MAX));
  out.week = std::move(*week);
  out.blocks = blocks_of(out.week);
  if (!from.policies.empty())
    out.gaps = gaps_of(out.blocks);
  out.differs_by_date = differs_by_date(from.policies);
  out.hours = hours_of(out);
  return out;
}

void bound_jobs(runner_plan& x, const runner_config& from, int concurrent) {
  x.jobs_max = concurrent;
  if (from.limit > 0 && from.limit < x.jobs_max) {
    x.jobs_max = from.limit;
    x.bound = jobs_bound::limit;
  }
  if (!x.group || x.group->max_instances == 0)
    return;
  x.slots_max
    = static_cast<int64_t>(x.group->max_instances) * usable_slots(*x.group);
  if (x.slots_max <= x.jobs_max) {
    x.jobs_max = static_cast<int>(x.slots_max);
    x.bound = jobs_bound::instances;
  }
}

} // namespace

result<price, config_errc> parse_price(std::string_view text) {
  constexpr std::string_view of_hour = "/h";
  constexpr double sensible_max = 1e6;
  auto digits = text;
  if (digits.ends_with(of_hour))
    digits.remove_suffix(of_hour.size());
  price out;
  const auto* end = digits.data() + digits.size();
  auto [stop, error] = std::from_chars(digits.data(), end, out.per_hour,
                                       std::chars_format::fixed);
  if (error != std::errc{} || stop != end || !std::isfinite(out.per_hour)
      || std::signbit(out.per_hour) || out.per_hour > sensible_max)
    return fail(config_errc::not_valid,
                fmt::format("{} is no price of an instance-hour: write it like "
                            "0.17/h",
                            in_quotes(text)));
  return out;
}

result<std::chrono::year_month_day, config_errc>
parse_date(std::string_view text) {
  constexpr size_t length = 10;
  constexpr int first_year = 1970;
  if (text.size() == length && text[4] == '-' && text[7] == '-') {
    auto year = number(text.substr(0, 4));
    auto month = number(text.substr(5, 2));
    auto day = number(text.substr(8));
    if (year && month && day) {
      std::chrono::year_month_day out{
        std::chrono::year{*year},
        std::chrono::month{static_cast<unsigned>(*month)},
        std::chrono::day{static_cast<unsigned>(*day)}};
      if (out.ok() && *year >= first_year)
        return out;
    }
  }
  return fail(
    config_errc::not_valid,
    fmt::format("{} is no date: write it like 2026-11-23", in_quotes(text)));
}

int usable_slots(const group_plan& of) {
  return of.capacity_per_instance
         - unavailable_slots(0, 0, of.max_use_count, of.capacity_per_instance,
                             false);
}

/// Each instance that is added brings its unavailable slots, which are wanted
/// on top: that comes to rest where the usable ones are as many as are wanted.
int instances_kept(const group_plan& of, const policy& what) {
  scaling limits;
  limits.max_instances = of.max_instances;
  limits.capacity_per_instance = usable_slots(of);
  limits.idle_count = what.idle_count;
  return instances_to_add({}, limits);
}

result<file_plan, config_errc> plan_of(const config& cfg,
                                       const plan_options& with) {
  file_plan out;
  out.path = cfg.path;
  out.concurrent = cfg.concurrent;
  int64_t all = 0;
  for (const auto& runner : cfg.runners) {
    runner_plan x;
    x.name = runner.name;
    x.token = short_token(runner.token);
    x.executor = runner.executor;
    if (runner.autoscaler) {
      auto group = group_of(*runner.autoscaler, with);
      if (!group)
        return tl::unexpected{group.error()};
      x.group = std::move(*group);
    }
    bound_jobs(x, runner, cfg.concurrent);
    all += x.jobs_max;
    out.runners.push_back(std::move(x));
  }
  out.jobs_max = static_cast<int>(std::min<int64_t>(all, cfg.concurrent));
  return out;
}

} // namespace muster::plan
