#include "actors/coordinator/api_client.hpp"

#include <array>
#include <ctime>
#include <openssl/rand.h>
#include <strings.h>
#include <utility>

namespace muster {

namespace {

/// 32 lower-case hexadecimal digits: a UUID of version 4 without its dashes.
std::string fresh_request_id() {
  std::array<unsigned char, 16> bytes{};
  ::RAND_bytes(bytes.data(), bytes.size());
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string id;
  for (auto byte : bytes) {
    id += "0123456789abcdef"[byte >> 4];
    id += "0123456789abcdef"[byte & 15];
  }
  return id;
}

coordinator_errc code_of(int status) {
  if (status == 403)
    return coordinator_errc::forbidden;
  if (status >= 500 || status == 408 || status == 429)
    return coordinator_errc::server_error;
  if (status >= 400)
    return coordinator_errc::rejected;
  return coordinator_errc::bad_answer;
}

bool is_json(const http_reply& x) {
  constexpr std::string_view json = "application/json";
  auto type = x.header("Content-Type");
  return type.size() >= json.size()
         && ::strncasecmp(type.data(), json.data(), json.size()) == 0;
}

http_call json_call(const char* method, std::string path,
                    const char* token_header, const secret& token,
                    std::string body) {
  http_call call;
  call.method = method;
  call.path = std::move(path);
  call.headers
    = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  if (token_header != nullptr)
    call.headers.emplace_back(token_header, token.reveal());
  call.body = std::move(body);
  return call;
}

http_call patch_call(trace_patch what) {
  auto last = what.offset + static_cast<int64_t>(what.bytes.size()) - 1;
  http_call call;
  call.method = "PATCH";
  call.path = "jobs/" + std::to_string(what.job)
              + "/trace?debug_trace=" + (what.debug_trace ? "true" : "false");
  call.headers = {
    {"Content-Type", "text/plain"},
    {"Content-Range", std::to_string(what.offset) + "-" + std::to_string(last)},
    {"JOB-TOKEN", what.token.reveal()}};
  call.body = std::move(what.bytes);
  return call;
}

} // namespace

struct api_client::impl {
  impl(const api_settings& with, const url_parts& base,
       std::shared_ptr<certificate_store> trusted)
    : origin(origin_text(base) + base.path),
      job_bytes_max(with.job_bytes_max),
      http(with.http, base, std::move(trusted)) {
  }

  /// Makes a call and fills in what every answer tells.
  http_reply run(http_call call, api_answer& to) {
    name = call.method + " " + origin + call.path;
    to.request_id = fresh_request_id();
    call.headers.emplace_back("X-Request-Id", to.request_id);
    auto reply = http.send(std::move(call));
    if (!reply) {
      to.error = failed(reply.error().code, reply.error().text);
      return {};
    }
    to.status = reply->status;
    to.job_status = reply->header("Job-Status");
    to.last_update = reply->header("X-GitLab-Last-Update");
    if (auto id = reply->header("X-Request-Id"); !id.empty())
      to.request_id = id;
    to.retry_after
      = parse_retry_after(reply->header("RateLimit-ResetTime"),
                          reply->header("Retry-After"), ::time(nullptr));
    to.trace_interval
      = parse_seconds(reply->header("X-GitLab-Trace-Update-Interval"));
    return std::move(*reply);
  }

  coordinator_failure failed(coordinator_errc code,
                             const std::string& why) const {
    return {code, name + ": " + why};
  }

  /// The failure of an answer that is none of the call's successes.
  coordinator_failure refused(const http_reply& x) const {
    auto text = std::to_string(x.status);
    if (auto said = parse_error(x.body); !said.empty())
      text += " (" + said + ")";
    return failed(code_of(x.status), text);
  }

  /// A call that is answered with a token.
  identity_answer identify(http_call call) {
    identity_answer answer;
    auto reply = run(std::move(call), answer);
    if (answer.error)
      return answer;
    if (answer.status != 201) {
      answer.error = refused(reply);
      return answer;
    }
    answer.runner = parse_identity(reply.body);
    if (!is_json(reply) || answer.runner.token.empty())
      answer.error
        = failed(coordinator_errc::bad_answer, "the answer has no token");
    return answer;
  }

  /// A call that is answered with nothing.
  api_answer remove(http_call call) {
    api_answer answer;
    auto reply = run(std::move(call), answer);
    if (!answer.error && answer.status != 204)
      answer.error = refused(reply);
    return answer;
  }

  const std::string origin;
  const size_t job_bytes_max;
  http_client http;
  std::string name; ///< of the call under way, for its failures
};

api_client::api_client(std::unique_ptr<impl> x) : impl_(std::move(x)) {
}

api_client::~api_client() = default;

result<std::unique_ptr<api_client>, coordinator_errc>
api_client::make(const api_settings& with,
                 std::shared_ptr<certificate_store> trusted) {
  auto base = api_url(with.url);
  if (!base)
    return tl::unexpected{base.error()};
  if (auto proxy = proxy_for(*base, with.http.proxies); !proxy)
    return tl::unexpected{proxy.error()};
  return std::unique_ptr<api_client>{
    new api_client{std::make_unique<impl>(with, *base, std::move(trusted))}};
}

job_answer api_client::request_job(const job_request& what) {
  job_answer answer;
  auto call = json_call("POST", "jobs/request", "RUNNER-TOKEN", what.token,
                        to_json(what));
  call.answer_max = impl_->job_bytes_max;
  auto reply = impl_->run(std::move(call), answer);
  if (answer.error || answer.status == 204)
    return answer;
  if (answer.status != 201) {
    answer.error = impl_->refused(reply);
    return answer;
  }
  if (!is_json(reply)) {
    answer.error = impl_->failed(coordinator_errc::bad_answer,
                                 "the job is not of type application/json");
    return answer;
  }
  if (reply.is_cut) {
    answer.error
      = impl_->failed(coordinator_errc::bad_answer,
                      "the job has more than "
                        + std::to_string(impl_->job_bytes_max) + " bytes");
    return answer;
  }
  auto job = parse_job(reply.body);
  if (!job) {
    answer.error = impl_->failed(job.error().code, job.error().text);
    return answer;
  }
  job->correlation_id = answer.request_id;
  answer.server_chain = impl_->http.server_chain_pem();
  answer.job = std::move(*job);
  return answer;
}

update_answer api_client::update_job(const job_update& what) {
  update_answer answer;
  auto reply = impl_->run(json_call("PUT", "jobs/" + std::to_string(what.job),
                                    "JOB-TOKEN", what.token, to_json(what)),
                          answer);
  if (!answer.error && answer.status != 200 && answer.status != 202)
    answer.error = impl_->refused(reply);
  return answer;
}

patch_answer api_client::patch_trace(trace_patch what) {
  patch_answer answer;
  auto reply = impl_->run(patch_call(std::move(what)), answer);
  if (answer.error)
    return answer;
  answer.next_offset = parse_range_end(reply.header("Range"));
  if (answer.status != 202)
    answer.error = impl_->refused(reply);
  return answer;
}

identity_answer api_client::verify(const verify_request& what) {
  identity_answer answer;
  auto reply = impl_->run(json_call("POST", "runners/verify", "RUNNER-TOKEN",
                                    what.token, to_json(what)),
                          answer);
  if (answer.error)
    return answer;
  if (answer.status == 200)
    answer.runner = parse_identity(reply.body);
  else
    answer.error = impl_->refused(reply);
  return answer;
}

identity_answer api_client::register_runner(const registration& what) {
  return impl_->identify(
    json_call("POST", "runners", "RUNNER-TOKEN", what.token, to_json(what)));
}

identity_answer api_client::reset_token(const secret& token) {
  auto call = json_call("POST", "runners/reset_authentication_token", nullptr,
                        token, token_json(token));
  return impl_->identify(std::move(call));
}

identity_answer api_client::reset_token_of(int64_t runner,
                                           const secret& personal_token) {
  auto path
    = "runners/" + std::to_string(runner) + "/reset_authentication_token";
  return impl_->identify(json_call("POST", std::move(path), "PRIVATE-TOKEN",
                                   personal_token, "null"));
}

api_answer api_client::unregister_runner(const secret& token) {
  return impl_->remove(
    json_call("DELETE", "runners", "RUNNER-TOKEN", token, token_json(token)));
}

api_answer api_client::unregister_manager(const secret& token,
                                          const std::string& system_id) {
  return impl_->remove(json_call("DELETE", "runners/managers", "RUNNER-TOKEN",
                                 token, token_json(token, system_id)));
}

void api_client::stop() {
  impl_->http.stop();
}

} // namespace muster
