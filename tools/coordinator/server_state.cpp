#include "tools/coordinator/server_state.hpp"

#include <fmt/format.h>

namespace muster::gitlab {

namespace {

constexpr size_t rows_max = 10'000;
constexpr int64_t grace_us
  = 50'000; ///< requests that were already on their way

} // namespace

void request_counters::count(const std::string& endpoint, int status) {
  std::lock_guard guard{mutex_};
  ++by_endpoint_[endpoint];
  ++by_status_[status];
}

nlohmann::json request_counters::to_json() const {
  std::lock_guard guard{mutex_};
  nlohmann::json statuses = nlohmann::json::object();
  for (const auto& [status, count] : by_status_)
    statuses[std::to_string(status)] = count;
  return {{"requests", by_endpoint_}, {"statuses", statuses}};
}

void runner_table::heard(const std::string& token, const std::string& system_id,
                         const nlohmann::json& info) {
  std::lock_guard guard{mutex_};
  if (rows_.size() >= rows_max)
    rows_.clear();
  auto& row = rows_[{token, system_id}];
  ++row.requests;
  row.last_us = now_us();
  if (row.info != info)
    row.info = info;
}

nlohmann::json runner_table::to_json() const {
  std::lock_guard guard{mutex_};
  auto list = nlohmann::json::array();
  for (const auto& [key, row] : rows_)
    list.push_back({{"token", key.first},
                    {"system_id", key.second},
                    {"requests", row.requests},
                    {"last_us", row.last_us},
                    {"info", row.info}});
  return list;
}

void retry_table::sent(const std::string& key, int seconds) {
  std::lock_guard guard{mutex_};
  if (until_us_.size() >= rows_max)
    until_us_.clear();
  until_us_[key] = now_us() + int64_t{seconds} * 1'000'000;
}

bool retry_table::too_early(const std::string& key) {
  std::lock_guard guard{mutex_};
  auto at = until_us_.find(key);
  if (at == until_us_.end())
    return false;
  if (now_us() < at->second - grace_us)
    return true;
  until_us_.erase(at);
  return false;
}

void answer_json(http_response& res, int status, const nlohmann::json& body) {
  res.status = status;
  res.content_type = "application/json";
  // Foreign bytes in a name or a text must not end in an exception.
  res.body
    = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void answer_error(http_response& res, int status, const std::string& text) {
  answer_json(res, status, {{"message", text}});
}

bool break_answer(const fault& what, http_response& res) {
  switch (what.kind) {
    case fault_kind::latency:
    case fault_kind::lost:
    case fault_kind::interval:
      return false;
    case fault_kind::status:
      if (what.status == 204)
        res.status = 204;
      else
        answer_error(res, what.status,
                     fmt::format("{} planned fault", what.status));
      if (what.retry_after > 0)
        res.headers.emplace_back("Retry-After",
                                 std::to_string(what.retry_after));
      break;
    case fault_kind::garbage:
      res.content_type = "application/json";
      res.body = "{\"id\": 4711, \"token\": <<<garbage>>> \x01\xff\xfe";
      break;
    case fault_kind::half:
      res.content_type = "application/json";
      res.body = R"({"id": 4711, "token": "glcbt-half", "job_info": {"name": )"
                 R"("never whole", "stage": "test", "project_id": 1}})";
      res.ending = http_ending::half;
      break;
    case fault_kind::empty:
      res.content_type = "application/json";
      break;
    case fault_kind::close:
      res.ending = http_ending::close;
      break;
    case fault_kind::reset:
      res.ending = http_ending::reset;
      break;
  }
  return true;
}

} // namespace muster::gitlab
