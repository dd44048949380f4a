#include "tools/muster/plan/plan_text.hpp"

#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace muster::plan {

namespace {

using json = nlohmann::ordered_json;

std::string_view bound_text(jobs_bound x) {
  constexpr std::array<std::string_view, 3> words{"concurrent", "limit",
                                                  "max_instances"};
  return words.at(static_cast<size_t>(x));
}

/// Zero is "not known".
json known(int64_t x) {
  return x > 0 ? json(x) : json(nullptr);
}

json hours_json(const instance_hours& x, double factor = 1) {
  return {{"idle_count", x.floor * factor}, {"most", x.most * factor}};
}

json policy_json(const group_plan& of, const hour_share& x) {
  json out;
  out["policy"] = known(x.what.index + 1);
  out["minutes_of_hour"] = x.minutes;
  out["idle_count"] = x.what.idle_count;
  out["instances"] = instances_kept(of, x.what);
  out["idle_time"]
    = static_cast<double>(x.what.idle_time.count()) / 1000; // [s]
  out["scale_factor"] = x.what.scale_factor;
  out["scale_factor_limit"] = x.what.scale_factor_limit;
  out["preemptive_mode"] = x.what.preemptive;
  return out;
}

json group_json(const group_plan& x, const std::optional<price>& at) {
  json out;
  out["plugin"] = x.plugin;
  out["name"] = x.name;
  out["capacity_per_instance"] = x.capacity_per_instance;
  out["max_use_count"] = x.max_use_count;
  out["max_instances"] = known(x.max_instances);
  const auto& monday = x.week.monday;
  out["week"] = fmt::format(
    "{:04}-{:02}-{:02}", static_cast<int>(monday.year()),
    static_cast<unsigned>(monday.month()), static_cast<unsigned>(monday.day()));
  out["timezone"] = x.week.zone;
  out["times"] = json::array();
  for (const auto& block : x.blocks) {
    json one;
    one["when"] = when(block);
    one["policies"] = json::array();
    for (const auto& share : block.shares)
      one["policies"].push_back(policy_json(x, share));
    out["times"].push_back(std::move(one));
  }
  out["other_weeks_differ"] = x.differs_by_date;
  out["gaps"] = x.gaps;
  out["instances_most"] = x.instances_most;
  out["instance_hours"] = hours_json(x.week_hours);
  out["month"] = fmt::format("{:04}-{:02}", static_cast<int>(x.month.year()),
                             static_cast<unsigned>(x.month.month()));
  out["instance_hours_of_month"] = hours_json(x.month_hours);
  if (at) {
    out["cost"] = hours_json(x.week_hours, at->per_hour);
    out["cost_of_month"] = hours_json(x.month_hours, at->per_hour);
  }
  return out;
}

json keys_json(const std::vector<key_change>& keys) {
  auto out = json::array();
  for (const auto& x : keys)
    out.push_back({{"key", x.key},
                   {"change", x.text},
                   {"effect", muster::to_string(x.effect)}});
  return out;
}

json reload_json(const reload_plan& x) {
  json out;
  out["from"] = x.from;
  out["to"] = x.to;
  out["stays"] = x.stays;
  out["keys"] = keys_json(x.keys);
  out["runners"] = json::array();
  for (const auto& runner : x.runners)
    out["runners"].push_back({{"name", runner.name},
                              {"fate", to_string(runner.fate)},
                              {"refused", runner.refused},
                              {"keys", keys_json(runner.keys)},
                              {"replaces_instances", runner.replaces_instances},
                              {"restarts_plugin", runner.restarts_plugin},
                              {"deletes_instances", runner.deletes_instances}});
  return out;
}

} // namespace

std::string json_of(const file_plan& x, const std::optional<price>& at,
                    const std::optional<reload_plan>& reload) {
  json out;
  out["file"] = x.path;
  out["concurrent"] = x.concurrent;
  out["jobs_at_once"] = x.jobs_max;
  out["runners"] = json::array();
  for (const auto& runner : x.runners) {
    json one;
    one["name"] = runner.name;
    one["token"] = runner.token;
    one["executor"] = runner.executor;
    one["jobs_at_once"] = runner.jobs_max;
    one["bound_by"] = bound_text(runner.bound);
    one["slots"] = known(runner.slots_max);
    one["group"] = runner.group ? group_json(*runner.group, at) : json(nullptr);
    out["runners"].push_back(std::move(one));
  }
  if (reload)
    out["reload"] = reload_json(*reload);
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace muster::plan
