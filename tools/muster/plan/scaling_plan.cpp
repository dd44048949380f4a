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

instance_hours hours_of(const group_plan& x,
                        const std::vector<week_run>& runs) {
  instance_hours out;
  for (const auto& run : runs) {
    out.floor += hours(run.length) * instances_kept(x, run.what);
    out.most += hours(run.length) * x.instances_most;
  }
  return out;
}

/// As ISO 8601 has it for years: the one that the week's Thursday is in.
std::chrono::year_month month_of(std::chrono::year_month_day monday) {
  std::chrono::year_month_day thursday{std::chrono::sys_days{monday}
                                       + std::chrono::days{3}};
  return thursday.year() / thursday.month();
}

/// The runs of a month, day by day: no two months need be alike.
result<std::vector<week_run>, config_errc>
runs_of(const schedule& policies, std::chrono::year_month month,
        const std::string& zone) {
  using std::chrono::sys_days;
  sys_days first{month / 1};
  sys_days next{(month + std::chrono::months{1}) / 1};
  std::vector<week_run> out;
  auto monday = first - (std::chrono::weekday{first} - std::chrono::Monday);
  for (; monday < next; monday += std::chrono::days{7}) {
    auto week = week_of(policies, monday, zone);
    if (!week)
      return tl::unexpected{week.error()};
    for (const auto& run : week->runs) {
      auto day = monday + std::chrono::days{run.day};
      if (day >= first && day < next)
        out.push_back(run);
    }
  }
  return out;
}

/// The operator's or the provider's limit; without one what the jobs and the
/// policies ask for. Instances that an earlier policy wanted stay for a while:
/// the largest of all counts.
int most_of(const group_plan& x, const std::vector<week_run>& month, int jobs) {
  if (x.max_instances > 0)
    return x.max_instances;
  int out = 0;
  for (const auto* runs : {&x.week.runs, &month})
    for (const auto& run : *runs)
      out = std::max(out, instances_wanted(x, run.what, jobs));
  return out;
}

/// `jobs`: of the runner at once, as far as no instances bound them.
result<group_plan, config_errc> group_of(const autoscaler_config& from,
                                         const plan_options& with, int jobs) {
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
  out.month = month_of(*monday);
  auto month = runs_of(*schedule, out.month, zone);
  if (!month)
    return tl::unexpected{month.error()};
  out.instances_most = most_of(out, *month, jobs);
  out.week_hours = hours_of(out, out.week.runs);
  out.month_hours = hours_of(out, *month);
  return out;
}

void bound_jobs(runner_plan& x, const runner_config& from, int concurrent) {
  x.jobs_max = concurrent;
  if (from.limit > 0 && from.limit < x.jobs_max) {
    x.jobs_max = from.limit;
    x.bound = jobs_bound::limit;
  }
}

void bound_jobs_by_slots(runner_plan& x, const group_plan& group) {
  if (group.max_instances == 0)
    return;
  x.slots_max = static_cast<int64_t>(group.max_instances) * usable_slots(group);
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

/// Each instance may have had all its jobs but one, and then serves just that.
int instances_wanted(const group_plan& of, const policy& what, int jobs) {
  capacity now;
  now.acquired = jobs;
  scaling limits;
  limits.max_instances = of.max_instances;
  limits.capacity_per_instance
    = of.max_use_count > 0 ? 1 : of.capacity_per_instance;
  limits.idle_count = what.idle_count;
  limits.scale_factor = what.scale_factor;
  limits.scale_factor_limit = what.scale_factor_limit;
  return instances_to_add(now, limits);
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
    bound_jobs(x, runner, cfg.concurrent);
    if (runner.autoscaler) {
      auto group = group_of(*runner.autoscaler, with, x.jobs_max);
      if (!group)
        return tl::unexpected{group.error()};
      bound_jobs_by_slots(x, *group);
      x.group = std::move(*group);
    }
    all += x.jobs_max;
    out.runners.push_back(std::move(x));
  }
  out.jobs_max = static_cast<int>(std::min<int64_t>(all, cfg.concurrent));
  return out;
}

} // namespace muster::plan
