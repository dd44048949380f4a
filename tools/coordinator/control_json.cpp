#include "tools/coordinator/control_json.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;

constexpr std::array fault_keys{
  "kind",   "endpoint",    "count",    "probability", "seed",
  "skip",   "job",         "state",    "for_ms",      "latency_ms",
  "status", "retry_after", "interval", "location",    "early"};

/// What is the same for a rule of any kind.
fault common_part(const json& x, int64_t at_us) {
  fault rule;
  rule.count = x.value("count", int64_t{-1});
  rule.probability = x.value("probability", 1.0);
  rule.seed = x.value("seed", uint64_t{1});
  rule.skip = x.value("skip", int64_t{0});
  rule.job = x.value("job", int64_t{0});
  rule.state = x.value("state", std::string{});
  if (auto time = x.value("for_ms", int64_t{0}); time > 0)
    rule.expires_us = at_us + time * 1000;
  rule.latency = std::chrono::milliseconds{x.value("latency_ms", int64_t{0})};
  rule.status = x.value("status", 500);
  rule.retry_after = x.value("retry_after", 0);
  rule.interval = x.value("interval", 0);
  rule.location = x.value("location", std::string{});
  rule.early = x.value("early", false);
  return rule;
}

tl::unexpected<failure<control_errc>> bad(std::string text) {
  return fail(control_errc::bad_request, std::move(text));
}

} // namespace

json to_json(const artifact& x) {
  return {{"type", x.type},
          {"format", x.format},
          {"file_name", x.file_name},
          {"expire_in", x.expire_in},
          {"at_us", x.at_us},
          {"size", x.file->size()},
          {"checksum", checksum_text(x.file->crc())}};
}

json to_json(const job_view& x) {
  auto arrivals = json::array();
  for (const auto& piece : x.arrivals)
    arrivals.push_back({piece.at_us, piece.offset, piece.size});
  auto artifacts = json::array();
  for (const auto& file : x.artifacts)
    artifacts.push_back(to_json(file));
  return {{"id", x.id},
          {"pipeline", x.pipeline},
          {"name", x.name},
          {"stage", x.stage},
          {"project", x.project},
          {"state", to_string(x.state)},
          {"expect", x.expect},
          {"as_expected", as_expected(x)},
          {"allow_failure", x.allow_failure},
          {"failure_allowed", x.failure_allowed},
          {"retried", x.retried},
          {"token", x.token},
          {"runner", x.runner},
          {"system_id", x.system_id},
          {"exit_code", x.exit_code},
          {"failure_reason", x.failure_reason},
          {"reported", x.reported},
          {"queued_us", x.queued_us},
          {"handed_out_us", x.handed_out_us},
          {"accepted_us", x.accepted_us},
          {"finished_us", x.finished_us},
          {"touches", x.touches},
          {"trace_size", x.trace_size},
          {"trace_checksum", checksum_text(x.trace_crc)},
          {"artifacts", std::move(artifacts)},
          {"arrivals", std::move(arrivals)}};
}

json to_json(const pipeline_view& x) {
  return {{"id", x.id},
          {"name", x.name},
          {"state", x.state},
          {"created_us", x.created_us},
          {"jobs", x.jobs}};
}

json pipeline_json(const store& jobs, const pipeline_view& x,
                   uint64_t version) {
  auto list = json::array();
  auto ids = x.jobs;
  ids.insert(ids.end(), x.retried.begin(), x.retried.end());
  std::sort(ids.begin(), ids.end());
  for (auto id : ids)
    if (auto job = jobs.job(id)) {
      job->arrivals.clear();
      list.push_back(to_json(*job));
    }
  auto body = to_json(x);
  body["jobs"] = std::move(list);
  body["version"] = version;
  return body;
}

json to_json(const fault& x) {
  return {{"id", x.id},
          {"endpoint", x.at ? to_string(*x.at) : "any"},
          {"kind", to_string(x.kind)},
          {"count", x.count},
          {"probability", x.probability},
          {"seed", x.seed},
          {"skip", x.skip},
          {"job", x.job},
          {"state", x.state},
          {"expires_us", x.expires_us},
          {"latency_ms", x.latency.count()},
          {"status", x.status},
          {"retry_after", x.retry_after},
          {"interval", x.interval},
          {"location", x.location},
          {"early", x.early},
          {"hits", x.hits}};
}

json to_json(const violation& x) {
  return {
    {"at_us", x.at_us}, {"rule", x.rule}, {"job", x.job}, {"text", x.text}};
}

result<fault, control_errc> fault_from_json(const json& x, int64_t at_us) {
  if (!x.is_object())
    return bad("a fault is a JSON object");
  for (const auto& [key, value] : x.items())
    if (std::find(fault_keys.begin(), fault_keys.end(), key)
        == fault_keys.end())
      return bad(fmt::format("a fault has no key \"{}\"", key));
  try {
    auto rule = common_part(x, at_us);
    auto word = x.value("kind", std::string{});
    auto kind = fault_kind_of(word);
    if (!kind)
      return bad(fmt::format("\"{}\" is no kind of fault", word));
    rule.kind = *kind;
    auto where = x.value("endpoint", std::string{"any"});
    rule.at = endpoint_of(where);
    if (!rule.at && where != "any")
      return bad(fmt::format("\"{}\" is no endpoint", where));
    if (!rule.state.empty() && rule.state != "running" && rule.state != "final")
      return bad("state is running or final");
    if (rule.status < 200 || rule.status > 599)
      return bad(fmt::format("status {} cannot be sent", rule.status));
    return rule;
  } catch (const json::exception& problem) {
    return bad(problem.what());
  }
}

} // namespace muster::gitlab
