#include "tools/muster/simulate/report.hpp"

#include <nlohmann/json.hpp>

namespace muster::simulate {

namespace {

using json = nlohmann::ordered_json;

double seconds(milliseconds x) {
  return static_cast<double>(x.count()) / 1000;
}

json json_of(const outcome& x) {
  const auto& is = x.is;
  json out;
  out["policy"] = x.name;
  out["jobs"] = {{"all", is.jobs},
                 {"done", is.done},
                 {"timed_out", is.timed_out},
                 {"lost", is.lost},
                 {"not_begun", is.not_begun}};
  auto waited = [&is](milliseconds waiting_times::*what) {
    return is.waited ? json(seconds((*is.waited).*what)) : json(nullptr);
  };
  out["waiting_s"] = {{"p50", waited(&waiting_times::p50)},
                      {"p95", waited(&waiting_times::p95)},
                      {"p99", waited(&waiting_times::p99)},
                      {"max", waited(&waiting_times::longest)}};
  out["instance_hours"] = is.instance_hours;
  out["busy_slot_hours"] = is.busy_hours;
  out["idle_share"] = is.idle_share;
  out["cost"] = is.cost ? json(*is.cost) : json(nullptr);
  out["instances"] = {{"made", is.instances_made},
                      {"removed", is.instances_removed},
                      {"peak", is.instances_peak}};
  out["busy_slots_peak"] = is.busy_peak;
  out["queue_peak"] = is.queued_peak;
  using simulated::call;
  auto calls = [&is](call what) { return is.calls[static_cast<size_t>(what)]; };
  out["calls"] = {{"list", calls(call::list)},
                  {"increase", calls(call::increase)},
                  {"decrease", calls(call::decrease)},
                  {"connect_info", calls(call::connect_info)},
                  {"heartbeat", calls(call::heartbeat)}};
  out["messages"] = is.messages;
  json samples;
  samples["width_s"]
    = seconds(is.span) / static_cast<double>(is.samples.size());
  for (const auto* name : {"instances", "busy_slots", "queue_peak"})
    samples[name] = json::array();
  for (const auto& one : is.samples) {
    samples["instances"].push_back(one.instances);
    samples["busy_slots"].push_back(one.busy);
    samples["queue_peak"].push_back(one.queued);
  }
  out["over_time"] = std::move(samples);
  return out;
}

} // namespace

std::string json_of(const report_head& head, const std::vector<outcome>& all) {
  json out;
  out["config"] = head.config_path;
  out["history"] = head.history_path;
  out["runner"] = head.runner;
  out["jobs_left_out"] = head.not_run + head.other_tags;
  out["left_out"]
    = {{"not_run", head.not_run}, {"other_tags", head.other_tags}};
  out["begins"] = head.begins;
  out["boot"] = head.boot;
  out["seed"] = head.seed;
  out["price_per_hour"]
    = head.price_per_hour ? json(*head.price_per_hour) : json(nullptr);
  out["policies"] = json::array();
  for (const auto& x : all)
    out["policies"].push_back(json_of(x));
  // Names of files need not be UTF-8.
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace muster::simulate
