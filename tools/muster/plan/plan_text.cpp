#include "tools/muster/plan/plan_text.hpp"

#include "config/diagnostic.hpp"
#include "config/duration.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace muster::plan {

namespace {

/// `1 instance`, `2 instances`.
std::string counted(int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// `100`, `100.5`: hours have no more places than that here.
std::string hours_text(double x) {
  auto out = fmt::format("{:.1f}", x);
  if (out.ends_with(".0"))
    out.resize(out.size() - 2);
  return out;
}

std::string policy_text(const group_plan& of, const policy& x) {
  auto out = x.index < 0 ? std::string{"built in"}
                         : fmt::format("policy {}", x.index + 1);
  out += fmt::format(": idle_count {}", x.idle_count);
  if (x.idle_count > 0)
    out += fmt::format(" ({})", counted(instances_kept(of, x), "instance"));
  if (x.scale_factor > 0)
    out += fmt::format(", scale_factor {}", x.scale_factor);
  if (x.scale_factor > 0 && x.scale_factor_limit > 0)
    out += fmt::format(" up to {}", x.scale_factor_limit);
  out += fmt::format(", idle_time {}", format_duration(x.idle_time));
  if (x.idle_count > 0)
    out += x.preemptive ? ", preemptive_mode" : ", preemptive_mode off";
  return out;
}

void add_blocks(std::string& out, const group_plan& x) {
  size_t width = 0;
  for (const auto& block : x.blocks)
    width = std::max(width, when(block).size());
  for (const auto& block : x.blocks) {
    auto time = when(block);
    for (const auto& share : block.shares) {
      auto part = block.shares.size() > 1
                    ? fmt::format("{} min of each hour ", share.minutes)
                    : std::string{};
      out += fmt::format("    {:{}}  {}{}\n", time, width, part,
                         policy_text(x, share.what));
      time.clear();
    }
  }
}

std::string slots_text(const group_plan& x) {
  auto usable = usable_slots(x);
  auto out
    = fmt::format("{} with {} each", counted(x.max_instances, "instance"),
                  counted(usable, "slot"));
  if (usable < x.capacity_per_instance)
    out += fmt::format(" (of {}: max_use_count is {})", x.capacity_per_instance,
                       x.max_use_count);
  return out;
}

std::string jobs_text(const runner_plan& x) {
  auto out = fmt::format("  jobs at once: {}", x.jobs_max);
  if (x.group && x.bound == jobs_bound::instances)
    return out + fmt::format(", the slots of {}\n", slots_text(*x.group));
  out += x.bound == jobs_bound::limit ? ", by limit" : ", by concurrent";
  if (x.group && x.slots_max > 0)
    out += fmt::format("; there can be {}", slots_text(*x.group));
  else if (x.group)
    out += "; max_instances is not set: the plugin's own limit counts, which "
           "is not known here";
  return out + "\n";
}

/// `June 2026`.
std::string month_text(std::chrono::year_month x) {
  constexpr std::array<std::string_view, 12> names{
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
  return fmt::format("{} {}", names.at(static_cast<unsigned>(x.month()) - 1),
                     static_cast<int>(x.year()));
}

/// `when`: `a week`, `of June 2026`. `each`: of an instance-hour.
void add_cost(std::string& out, std::string_view when, const instance_hours& x,
              const price& each) {
  out += fmt::format("  cost {} at {} an hour: {:.2f} for idle_count alone, "
                     "{:.2f} at most\n",
                     when, each.per_hour, x.floor * each.per_hour,
                     x.most * each.per_hour);
}

void add_costs(std::string& out, const group_plan& x, const price& each) {
  add_cost(out, "a week", x.week_hours, each);
  add_cost(out, "of " + month_text(x.month), x.month_hours, each);
}

void add_group(std::string& out, const group_plan& x) {
  const auto& monday = x.week.monday;
  out += fmt::format("  week of {:04}-{:02}-{:02}, {}\n",
                     static_cast<int>(monday.year()),
                     static_cast<unsigned>(monday.month()),
                     static_cast<unsigned>(monday.day()), x.week.zone);
  add_blocks(out, x);
  if (x.differs_by_date)
    out += "  other weeks differ: periods name days of the month, or months\n";
  if (!x.gaps.empty())
    out += fmt::format("  gaps, in which no policy is in force: {}\n",
                       fmt::join(x.gaps, ", "));
  if (x.max_use_count > 0)
    out += fmt::format("  an instance is replaced after {}\n",
                       counted(x.max_use_count, "job"));
}

/// `jobs`: of the runner at once.
void add_hours(std::string& out, const group_plan& x, int jobs) {
  auto why = x.max_instances > 0
               ? std::string{}
               : fmt::format(": no more are asked for with {} at once",
                             counted(jobs, "job"));
  out += fmt::format("  instance-hours a week: {} for idle_count alone, {} at "
                     "most ({} all week{})\n",
                     hours_text(x.week_hours.floor),
                     hours_text(x.week_hours.most),
                     counted(x.instances_most, "instance"), why);
  out += fmt::format("  instance-hours of {}: {} for idle_count alone, {} at "
                     "most\n",
                     month_text(x.month), hours_text(x.month_hours.floor),
                     hours_text(x.month_hours.most));
}

std::string title(const runner_plan& x) {
  auto out
    = fmt::format("runner {} ({}", x.name.empty() ? x.token : in_quotes(x.name),
                  one_line(x.executor));
  if (x.group)
    out += fmt::format(", plugin {}", one_line(x.group->plugin));
  if (x.group && !x.group->name.empty())
    out += fmt::format(", group {}", in_quotes(x.group->name));
  return out + ")\n";
}

void add(instance_hours& sum, const instance_hours& x) {
  sum.floor += x.floor;
  sum.most += x.most;
}

void add_totals(std::string& out, const file_plan& x,
                const std::optional<price>& at) {
  group_plan all; // the sums only
  auto any = false;
  for (const auto& runner : x.runners) {
    if (!runner.group)
      continue;
    any = true;
    all.month = runner.group->month;
    add(all.week_hours, runner.group->week_hours);
    add(all.month_hours, runner.group->month_hours);
  }
  out += fmt::format("all runners\n  jobs at once: {} (concurrent {})\n",
                     x.jobs_max, x.concurrent);
  if (at && any)
    add_costs(out, all, *at);
}

void add_keys(std::string& out, const std::vector<key_change>& keys,
              std::string_view indent) {
  for (const auto& x : keys)
    out += fmt::format("{}{:9}  {} {}\n", indent, muster::to_string(x.effect),
                       x.key, x.text);
}

void add_runner(std::string& out, const runner_reload& x) {
  switch (x.fate) {
    case runner_fate::added:
      out += fmt::format("  runner {}: added\n", x.name);
      return;
    case runner_fate::refused:
      out += fmt::format("  runner {}: not served: {}\n", x.name, x.refused);
      return;
    case runner_fate::removed:
      out += fmt::format(
        "  runner {}: removed: it takes no more jobs, and with "
        "its last one its instances {}\n",
        x.name, x.deletes_instances ? "are deleted" : "are left");
      return;
    case runner_fate::kept:
      break;
  }
  out += fmt::format("  runner {}\n", x.name);
  add_keys(out, x.keys, "    ");
  if (x.replaces_instances)
    out += "    instances that are there are replaced as they become free\n";
  if (x.restarts_plugin)
    out += "    the plugin is started anew\n";
}

} // namespace

std::string text_of(const file_plan& x, const std::optional<price>& at) {
  std::string out;
  for (const auto& runner : x.runners) {
    out += title(runner);
    if (runner.group)
      add_group(out, *runner.group);
    out += jobs_text(runner);
    if (!runner.group)
      continue;
    add_hours(out, *runner.group, runner.jobs_max);
    if (at)
      add_costs(out, *runner.group, *at);
  }
  if (x.runners.empty())
    out += fmt::format("{}: no runner is served\n", x.path);
  if (x.runners.size() > 1)
    add_totals(out, x, at);
  return out;
}

std::string text_of(const reload_plan& x) {
  auto out = fmt::format("reload from {} to {}\n", x.from, x.to);
  if (x.stays)
    return out
           + "  nothing: a runner that is served cannot be served as it is "
             "written now, so that the former configuration stays in force\n";
  add_keys(out, x.keys, "  ");
  for (const auto& runner : x.runners)
    add_runner(out, runner);
  if (x.keys.empty() && x.runners.empty())
    out += "  nothing changes\n";
  return out;
}

} // namespace muster::plan
