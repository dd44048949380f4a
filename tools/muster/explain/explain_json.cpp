#include "tools/muster/explain/render.hpp"

#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace muster::explain {

namespace {

using json = nlohmann::ordered_json;

json when(const std::optional<stamp>& x) {
  return x ? json(utc_time(x->unix_us)) : json(nullptr);
}

json seconds(int64_t us) {
  return static_cast<double>(us) / 1e6;
}

json list_of(const moments& x) {
  auto out = json::array();
  for (const auto& y : x.all())
    out.push_back({{"at", utc_time(y.at.unix_us)}, {"text", y.text}});
  return out;
}

json parts_of(const std::array<int64_t, wait_parts>& x,
              const std::array<std::string, wait_parts>* because) {
  auto out = json::array();
  for (size_t i = 0; i < wait_parts; ++i) {
    if (x.at(i) == 0)
      continue;
    json part{{"part", to_string(static_cast<wait_part>(i))},
              {"seconds", seconds(x.at(i))}};
    if (because != nullptr && !because->at(i).empty())
      part["why"] = because->at(i);
    out.push_back(std::move(part));
  }
  return out;
}

json job_json(const job_story& x) {
  json out;
  out["job"] = x.job;
  out["runner"] = x.runner;
  out["instance"] = x.instance;
  out["slot"] = x.slot;
  out["taken_over"] = x.is_taken_over;
  out["queued_in_gitlab_s"] = x.queued_s < 0 ? json(nullptr) : json(x.queued_s);
  out["offered_at"] = when(x.offered);
  out["slot_at"] = when(x.acquired);
  out["began_at"] = when(x.began);
  out["ended_at"] = when(x.ended);
  out["success"] = x.ended ? json(x.success) : json(nullptr);
  out["failure_reason"] = x.failure;
  out["waited_s"] = seconds(x.waited());
  out["waiting"] = parts_of(x.waited_us, &x.because);
  out["events"] = list_of(x.told);
  return out;
}

json instance_json(const instance_story& x) {
  json out;
  out["instance"] = x.id;
  out["group"] = x.group;
  out["cause"] = x.is_known ? json(to_string(x.cause)) : json(nullptr);
  out["made_because"] = x.made_because;
  out["asked_at"] = when(x.asked);
  out["listed_at"] = when(x.listed);
  out["running_at"] = when(x.running);
  out["connected_at"] = when(x.dialed);
  out["ready_at"] = when(x.ready);
  out["retired_at"] = when(x.retired);
  out["removed_because"] = x.retired_because;
  out["removal_asked_at"] = when(x.deletion);
  out["gone_at"] = when(x.gone);
  out["jobs"] = x.jobs;
  out["events"] = list_of(x.told);
  return out;
}

json decision_json(const decision_line& x) {
  return {{"at", utc_time(x.at.unix_us)},
          {"group", x.group},
          {"rule", to_string(x.rule)},
          {"action", x.action},
          {"why", x.why},
          {"not_done", x.not_done},
          {"policy", x.policy}};
}

} // namespace

std::string utc_time(int64_t unix_us) {
  auto seconds = static_cast<std::time_t>(unix_us / 1'000'000);
  std::tm x{};
  gmtime_r(&seconds, &x);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                     x.tm_year + 1900, x.tm_mon + 1, x.tm_mday, x.tm_hour,
                     x.tm_min, x.tm_sec, unix_us / 1000 % 1000);
}

std::string json_of(const report& x) {
  json out;
  out["from"] = when(x.first);
  out["to"] = when(x.last);
  out["runs"] = x.runs;
  out["records"] = x.records;
  out["records_missing"] = x.missing;
  out["left_out"] = x.left_out;
  out["groups"] = json::object();
  for (const auto& [role, id] : x.groups)
    out["groups"][role] = id;
  out["rules"] = json::object();
  for (const auto& [rule, count] : x.rules)
    out["rules"][to_string(rule)] = count;
  out["decisions"] = json::array();
  for (const auto& y : x.decisions)
    out["decisions"].push_back(decision_json(y));
  out["instances"] = json::array();
  for (const auto& y : x.instances)
    out["instances"].push_back(instance_json(y));
  out["jobs"] = json::array();
  for (const auto& y : x.jobs)
    out["jobs"].push_back(job_json(y));
  out["jobs_begun"] = x.jobs_begun;
  out["waiting"] = parts_of(x.waited_us, nullptr);
  out["problems"] = list_of(x.problems);
  // Texts of servers and commands may be no UTF-8.
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace muster::explain
