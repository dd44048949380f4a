#include "tools/coordinator/job_spec.hpp"
#include "tools/coordinator/server_state.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <random>

namespace muster::gitlab {

namespace {

using nlohmann::json;

/// A latency from which on a client may have given up and tried again.
constexpr std::chrono::milliseconds latency_noticed{1000};

std::string fresh_request_id() {
  static thread_local std::mt19937_64 dice{std::random_device{}()};
  return fmt::format("{:016x}{:016x}", dice(), dice());
}

std::string text_in(const json& x, const char* key) {
  auto at = x.find(key);
  return at != x.end() && at->is_string() ? at->get<std::string>()
                                          : std::string{};
}

int64_t number_in(const json& x, const char* key) {
  auto at = x.find(key);
  return at != x.end() && at->is_number_integer() ? at->get<int64_t>() : 0;
}

bool is_system_id(std::string_view text) {
  return text.size() == 14 && (text[0] == 's' || text[0] == 'r')
         && text[1] == '_'
         && std::all_of(text.begin() + 2, text.end(),
                        [](unsigned char c) { return std::isalnum(c) != 0; });
}

/// One request to the job API, while it is served.
class call {
public:
  call(server_state& state, http_request& req, http_response& res)
    : state_(state),
      req_(req),
      res_(res) {
  }

  void serve(std::string_view path) {
    res_.headers.emplace_back("X-Request-Id", fresh_request_id());
    bool known = route(path);
    if (known && act_ == nullptr)
      return serve_artifacts(state_, req_, res_, job_);
    if (!known) {
      if (serve_runners_api(state_, req_, res_, path))
        return;
      state_.counters.count(std::string{to_string(endpoint::other)}, 404);
      return answer_error(res_, 404, "404 Not Found");
    }
    state_.jobs.enter(job_);
    serve_with_faults();
    state_.jobs.leave(job_);
    state_.counters.count(std::string{to_string(at_)},
                          res_.ending == http_ending::normal ? res_.status : 0);
  }

private:
  using action = void (call::*)();

  bool route(std::string_view path) {
    const auto& method = req_.method;
    if (method == "POST" && path == "jobs/request")
      return is(endpoint::request, &call::request_job);
    if (method == "POST" && path == "runners/verify")
      return is(endpoint::verify, &call::verify);
    if (method == "DELETE" && (path == "runners/managers" || path == "runners"))
      return is(endpoint::unregister, &call::unregister);
    if (method == "POST" && path == "runners/reset_authentication_token")
      return is(endpoint::reset_token, &call::reset_token);
    if (!path.starts_with("jobs/"))
      return false;
    path.remove_prefix(5);
    const auto* end = path.data() + path.size();
    auto [stop, error] = std::from_chars(path.data(), end, job_);
    std::string_view rest{stop, static_cast<size_t>(end - stop)};
    if (error != std::errc{})
      return false;
    if (method == "PUT" && rest.empty())
      return is(endpoint::update, &call::update);
    if (method == "PATCH" && rest == "/trace")
      return is(endpoint::trace, &call::patch);
    // Without an action: the helper sends these beside the manager's requests.
    return (method == "POST" || method == "GET") && rest == "/artifacts";
  }

  bool is(endpoint at, action act) {
    at_ = at;
    act_ = act;
    return true;
  }

  void serve_with_faults() {
    if (at_ != endpoint::trace && !read_json())
      return;
    check_headers();
    check_retry();
    auto effect
      = state_.faults.decide({at_, job_, text_in(body_, "state")}, now_us());
    if (effect.latency.count() > 0)
      req_.pause(effect.latency);
    if (effect.latency >= latency_noticed)
      state_.jobs.excuse(job_);
    if (!effect.other)
      return (this->*act_)();
    const auto& fault = *effect.other;
    if (fault.kind == fault_kind::interval) {
      (this->*act_)();
      set_interval(fault.interval);
    } else if (fault.kind == fault_kind::lost) {
      state_.jobs.excuse(job_);
      (this->*act_)();
      lose(fault);
    } else {
      state_.jobs.excuse(job_);
      break_off(fault);
    }
  }

  void break_off(const fault& what) {
    if (at_ == endpoint::trace)
      res_.status = 202;
    else if (at_ == endpoint::request || at_ == endpoint::reset_token)
      res_.status = 201;
    break_answer(what, res_);
    if (what.kind != fault_kind::status)
      return;
    if (what.retry_after > 0)
      state_.retries.sent(retry_key(), what.retry_after);
    if (auto job = state_.jobs.job(job_); job && what.status == 416)
      res_.headers.emplace_back("Range", fmt::format("0-{}", job->trace_size));
  }

  /// The answer is lost; of a request for a job only if it was given one.
  void lose(const fault& what) {
    if (at_ == endpoint::request && res_.status != 201)
      state_.faults.take_back(what.id);
    else
      res_.ending = http_ending::reset;
  }

  bool read_json() {
    body_ = json::parse(req_.body, nullptr, false);
    if (body_.is_object())
      return true;
    body_ = json::object();
    violation("json", "the body is no JSON object");
    answer_error(res_, 400, "400 Bad Request");
    return false;
  }

  void violation(const char* rule, std::string text) {
    state_.violations.add(
      rule, job_, fmt::format("{} {}: {}", req_.method, req_.path, text));
  }

  bool is_of_runner() const {
    return at_ != endpoint::update && at_ != endpoint::trace;
  }

  /// The headers that reference/job-api, section 1 asks for.
  void check_headers() {
    if (!is_request_id(req_.header("X-Request-Id")))
      violation("request-id", "X-Request-Id is not 32 lower-case hex digits");
    if (req_.header("User-Agent").empty())
      violation("user-agent", "there is no User-Agent");
    auto type = req_.header("Content-Type");
    auto wanted = at_ == endpoint::trace ? "text/plain" : "application/json";
    if (!type.starts_with(wanted))
      violation("content-type",
                fmt::format("Content-Type is \"{}\", not {}", type, wanted));
    if (at_ == endpoint::request || at_ == endpoint::verify
        || at_ == endpoint::reset_token)
      if (req_.header("Accept").find("application/json")
          == std::string_view::npos)
        violation("accept", "a JSON answer is expected without Accept");
    check_token();
    if (at_ == endpoint::trace && req_.parameter("debug_trace").empty())
      violation("debug-trace", "the query has no debug_trace");
    if (at_ == endpoint::request || at_ == endpoint::verify)
      check_identity();
  }

  void check_token() {
    if (at_ == endpoint::reset_token)
      return; // only the body has it
    auto header = is_of_runner() ? "RUNNER-TOKEN" : "JOB-TOKEN";
    auto sent = req_.header(header);
    if (sent.empty())
      violation("token-header", fmt::format("there is no {}", header));
    else if (at_ != endpoint::trace && sent != text_in(body_, "token"))
      violation("token-header",
                fmt::format("{} differs from the token in the body", header));
  }

  void check_identity() {
    if (!is_system_id(text_in(body_, "system_id")))
      violation("system-id", "system_id is missing or malformed");
    auto info = body_.value("info", json{});
    if (!info.is_object() || !info.contains("features"))
      violation("info", "the info block has no features");
  }

  std::string retry_key() const {
    return fmt::format("{}/{}/{}", to_string(at_), job_,
                       text_in(body_, "token"));
  }

  void check_retry() {
    if (state_.retries.too_early(retry_key()))
      violation("retry-after", "asked again before Retry-After had passed");
  }

  void set_interval(int seconds) {
    if (seconds > 0)
      res_.headers.emplace_back("X-GitLab-Trace-Update-Interval",
                                std::to_string(seconds));
  }

  void answer(const job_answer& x) {
    if (!x.job_status.empty())
      res_.headers.emplace_back("Job-Status", x.job_status);
    if (x.message.empty())
      answer_json(res_, x.status,
                  x.status == 202 ? json(nullptr) : json(x.status));
    else
      answer_error(res_, x.status, x.message);
    if (x.status < 300)
      set_interval(state_.trace_interval);
  }

  void request_job() {
    job_question ask{text_in(body_, "token"), text_in(body_, "system_id"),
                     text_in(body_, "last_update")};
    state_.runners.heard(ask.token, ask.system_id, body_.value("info", json{}));
    auto reply = state_.jobs.request_job(ask, req_.connected);
    if (!reply.last_update.empty())
      res_.headers.emplace_back("X-GitLab-Last-Update", reply.last_update);
    if (reply.status == 403)
      return answer_error(res_, 403, "403 Forbidden");
    res_.status = reply.status;
    if (reply.job)
      answer_json(res_, 201,
                  payload_of(*reply.job, state_.url, state_.projects));
  }

  void update() {
    auto output = body_.value("output", json::object());
    job_update what;
    what.id = job_;
    what.token = text_in(body_, "token");
    what.state = text_in(body_, "state");
    what.failure_reason = text_in(body_, "failure_reason");
    what.exit_code = static_cast<int>(number_in(body_, "exit_code"));
    if (output.is_object()) {
      what.checksum = text_in(output, "checksum");
      what.size = static_cast<uint64_t>(number_in(output, "bytesize"));
    } else {
      violation("output", "output is no object");
    }
    what.has_output = what.size > 0 || !what.checksum.empty();
    answer(state_.jobs.update(what));
  }

  void patch() {
    std::string token{req_.header("JOB-TOKEN")};
    auto x = state_.jobs.patch(job_, token,
                               parse_range(req_.header("Content-Range")),
                               std::move(req_.body));
    answer(x);
    if (x.status == 202 || x.status == 416)
      res_.headers.emplace_back("Range", fmt::format("0-{}", x.trace_size));
  }

  bool allowed() {
    if (state_.jobs.knows_runner(text_in(body_, "token")))
      return true;
    answer_error(res_, 403, "403 Forbidden");
    return false;
  }

  void verify() {
    if (!allowed())
      return;
    auto token = text_in(body_, "token");
    state_.runners.heard(token, text_in(body_, "system_id"),
                         body_.value("info", json{}));
    answer_json(res_, 200, token_json(state_, token, 1));
  }

  void unregister() {
    if (!allowed())
      return;
    // A runner made in GitLab stays; only this manager of it is gone.
    if (req_.path.ends_with("/runners"))
      state_.jobs.drop_runner_token(text_in(body_, "token"));
    res_.status = 204;
  }

  void reset_token() {
    auto fresh = state_.jobs.rotate_runner_token(text_in(body_, "token"));
    if (!fresh)
      return answer_error(res_, 403, "403 Forbidden");
    answer_json(res_, 201, token_json(state_, *fresh, 1));
  }

  server_state& state_;
  http_request& req_;
  http_response& res_;
  endpoint at_ = endpoint::other;
  action act_ = nullptr;
  int64_t job_ = 0;
  json body_ = json::object();
};

} // namespace

void serve_job_api(server_state& state, http_request& req, http_response& res,
                   std::string_view path) {
  call{state, req, res}.serve(path);
}

} // namespace muster::gitlab
