#include "tools/coordinator/control_json.hpp"
#include "tools/coordinator/enqueue.hpp"
#include "tools/coordinator/server_state.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds wait_default{60'000};
constexpr milliseconds wait_max{3'600'000};
constexpr uint64_t trace_piece_max = uint64_t{8} << 20; ///< [bytes]

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end)
    return std::nullopt;
  return value;
}

/// One request to the control API.
class control_call {
public:
  control_call(server_state& state, const http_request& req, http_response& res)
    : state_(state),
      req_(req),
      res_(res) {
  }

  void serve(std::string_view path) {
    res_.status = 404;
    if (req_.method == "GET")
      get(path);
    else if (req_.method == "POST")
      post(path);
    else if (req_.method == "DELETE")
      remove(path);
    if (res_.status == 404 && res_.body.empty() && !res_.content)
      answer_error(res_, 404,
                   fmt::format("no {} of /control/{}", req_.method, path));
  }

private:
  void get(std::string_view path) {
    if (path == "jobs")
      list_jobs();
    else if (path.starts_with("jobs/"))
      get_job(path.substr(5));
    else if (path.starts_with("pipelines/"))
      get_pipeline(path.substr(10));
    else if (path == "wait")
      wait();
    else if (path == "violations")
      list_violations();
    else if (path == "faults")
      list_faults();
    else if (path == "counters")
      counters();
    else if (path == "runners")
      answer_json(res_, 200, state_.runners.to_json());
  }

  void post(std::string_view path) {
    auto body = req_.body.empty() ? json::object()
                                  : json::parse(req_.body, nullptr, false);
    if (!body.is_object() && !body.is_array())
      return answer_error(res_, 400, "the body is no JSON object");
    if (path == "jobs")
      enqueue(body);
    else if (path == "pipelines")
      start(body);
    else if (path == "faults")
      add_fault(body);
    else if (path == "settings")
      settings(body);
    else if (path == "shutdown")
      shut_down();
    else if (path.starts_with("jobs/") && path.ends_with("/cancel"))
      cancel(path.substr(5, path.size() - 12), body);
  }

  void remove(std::string_view path) {
    auto tell = [this](size_t count) {
      answer_json(res_, 200, {{"removed", count}});
    };
    if (path == "jobs")
      tell(state_.jobs.forget_ended());
    else if (path == "violations") {
      tell(state_.violations.total());
      state_.violations.clear();
    } else if (path == "faults") {
      tell(state_.faults.remove(0));
    } else if (path.starts_with("faults/")) {
      if (auto id = number<int64_t>(path.substr(7)); id && *id > 0)
        tell(state_.faults.remove(*id));
    }
  }

  milliseconds timeout() const {
    auto ms = number<int64_t>(req_.parameter("timeout_ms"));
    return ms ? std::clamp(milliseconds{*ms}, milliseconds{0}, wait_max)
              : wait_default;
  }

  void list_jobs() {
    auto wanted = req_.parameter("state");
    auto list = json::array();
    for (const auto& x : state_.jobs.jobs())
      if (wanted.empty() || wanted == to_string(x.state))
        list.push_back(to_json(x));
    answer_json(res_, 200, {{"jobs", std::move(list)}});
  }

  void get_job(std::string_view rest) {
    auto slash = rest.find('/');
    auto id = number<int64_t>(rest.substr(0, slash));
    auto job = state_.jobs.job(id.value_or(0));
    if (!job)
      return answer_error(res_, 404, fmt::format("there is no job {}", rest));
    if (slash == std::string_view::npos)
      answer_json(res_, 200, to_json(*job));
    else if (rest.substr(slash) == "/trace")
      get_trace(*job);
    else if (rest.substr(slash).starts_with("/artifacts/"))
      get_artifact(*job, rest.substr(slash + 11));
  }

  void get_artifact(const job_view& job, std::string_view type) {
    for (const auto& x : job.artifacts) {
      if (x.type != type)
        continue;
      res_.status = 200;
      res_.content_type = "application/octet-stream";
      res_.content_size = x.file->size();
      if (res_.content_size > 0)
        res_.content = [file = x.file](uint64_t offset, size_t size) {
          return file->read(offset, size);
        };
      return;
    }
    answer_error(res_, 404,
                 fmt::format("job {} has no artifact {}", job.id, type));
  }

  void get_trace(const job_view& job) {
    auto offset = number<uint64_t>(req_.parameter("offset")).value_or(0);
    res_.status = 200;
    res_.content_type = "application/octet-stream";
    res_.body = state_.jobs.trace(job.id, offset, trace_piece_max);
    res_.headers.emplace_back("X-Trace-Size", std::to_string(job.trace_size));
    res_.headers.emplace_back("X-Job-State", std::string{to_string(job.state)});
  }

  /// With `seen`, waits until something anywhere differs from that version.
  void get_pipeline(std::string_view rest) {
    auto id = number<int64_t>(rest).value_or(0);
    auto version = state_.jobs.version();
    if (auto seen = number<uint64_t>(req_.parameter("seen")))
      version = state_.jobs.wait_change(*seen, timeout());
    auto pipeline = state_.jobs.pipeline(id);
    if (!pipeline)
      return answer_error(res_, 404,
                          fmt::format("there is no pipeline {}", rest));
    answer_json(res_, 200, pipeline_json(state_.jobs, *pipeline, version));
  }

  void wait() {
    auto job = number<int64_t>(req_.parameter("job"));
    auto pipeline = number<int64_t>(req_.parameter("pipeline"));
    bool ended = pipeline ? state_.jobs.wait_pipeline(*pipeline, timeout())
                          : state_.jobs.wait_job(job.value_or(0), timeout());
    answer_json(res_, 200, {{"ended", ended}});
  }

  void list_violations() {
    auto list = json::array();
    for (const auto& x : state_.violations.list())
      list.push_back(to_json(x));
    answer_json(res_, 200,
                {{"total", state_.violations.total()},
                 {"by_rule", state_.violations.counts()},
                 {"last", std::move(list)}});
  }

  void list_faults() {
    auto list = json::array();
    for (const auto& x : state_.faults.list())
      list.push_back(to_json(x));
    answer_json(res_, 200, {{"faults", std::move(list)}});
  }

  void counters() {
    auto body = state_.counters.to_json();
    body["connections"] = state_.connections();
    body["parked"] = state_.jobs.parked();
    body["jobs"] = state_.jobs.jobs_total();
    body["ended"] = state_.jobs.jobs_ended();
    body["violations"] = state_.violations.total();
    answer_json(res_, 200, body);
  }

  /// A job, a list of jobs, or `{job: ..., copies: N}`.
  void enqueue(const json& body) {
    auto list = body.is_array() ? body : json::array({body});
    auto ids = json::array();
    for (const auto& x : list) {
      bool has_copies = x.is_object() && x.contains("job");
      auto copies = has_copies ? x.value("copies", int64_t{1}) : 1;
      auto made = copies < 0 ? result<std::vector<int64_t>, spec_errc>{}
                             : enqueue_job(state_, has_copies ? x["job"] : x,
                                           static_cast<size_t>(copies));
      if (!made)
        return answer_error(res_, 400, made.error().text);
      for (auto id : *made)
        ids.push_back(id);
    }
    answer_json(res_, 201, {{"ids", std::move(ids)}});
  }

  void start(const json& body) {
    auto options = body;
    auto text = body.value("yaml", std::string{});
    auto file = body.value("file", std::string{".gitlab-ci.yml"});
    auto started = start_pipeline(state_, text, file, options);
    if (!started)
      return answer_error(res_, 400, started.error().text);
    auto answer = to_json(*state_.jobs.pipeline(started->id));
    answer["warnings"] = started->warnings;
    answer_json(res_, 201, answer);
  }

  void add_fault(const json& body) {
    auto rule = fault_from_json(body, now_us());
    if (!rule)
      return answer_error(res_, 400, rule.error().text);
    answer_json(res_, 201, {{"id", state_.faults.add(*rule)}});
  }

  void settings(const json& body) {
    for (const auto& [key, value] : body.items()) {
      if (!value.is_number_integer())
        return answer_error(res_, 400, key + " must be a whole number");
      if (key == "long_poll_ms")
        state_.jobs.set_long_poll(milliseconds{value.get<int64_t>()});
      else if (key == "direct_download")
        state_.direct_download = value.get<int>();
      else if (key == "artifact_size_max")
        state_.jobs.set_artifact_size_max(value.get<uint64_t>());
      else if (key == "trace_interval")
        state_.trace_interval = value.get<int>();
      else if (key == "token_lifetime")
        state_.token_lifetime = value.get<int64_t>();
      else
        return answer_error(res_, 400, "there is no setting " + key);
    }
    answer_json(res_, 200, json::object());
  }

  void cancel(std::string_view rest, const json& body) {
    auto mode = body.value("mode", std::string{"canceling"});
    if (mode != "canceling" && mode != "canceled")
      return answer_error(res_, 400, "mode is canceling or canceled");
    auto id = number<int64_t>(rest).value_or(0);
    if (state_.jobs.cancel(id, mode == "canceling"))
      answer_json(res_, 200, json::object());
    else
      answer_error(res_, 409,
                   fmt::format("job {} is not there or has ended", rest));
  }

  void shut_down() {
    answer_json(res_, 200, json::object());
    if (state_.shut_down)
      state_.shut_down();
  }

  server_state& state_;
  const http_request& req_;
  http_response& res_;
};

} // namespace

void serve_control(server_state& state, const http_request& req,
                   http_response& res, std::string_view path) {
  try {
    control_call{state, req, res}.serve(path);
  } catch (const json::exception& problem) { // a value of another type
    answer_error(res, 400, problem.what());
  }
}

} // namespace muster::gitlab
