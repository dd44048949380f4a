#include "tools/coordinator/server_state.hpp"

#include <charconv>
#include <ctime>

namespace muster::gitlab {

namespace {

using nlohmann::json;

constexpr std::string_view reset_path = "/reset_authentication_token";

json parsed(const http_request& req) {
  auto body = json::parse(req.body, nullptr, false);
  return body.is_discarded() ? json{} : body;
}

std::string token_in(const json& body) {
  auto at = body.is_object() ? body.find("token") : body.end();
  return at != body.end() && at->is_string() ? at->get<std::string>() : "";
}

/// Registration by a registration token: a new runner.
void register_runner(server_state& state, const http_request& req,
                     http_response& res) {
  auto body = parsed(req);
  auto token = token_in(body);
  if (req.header("RUNNER-TOKEN") != token)
    state.violations.add("token-header", 0,
                         "RUNNER-TOKEN differs from the token in the body");
  if (token != state.jobs.options().registration_token)
    return answer_error(res, 403, "403 Forbidden - invalid token supplied");
  auto fresh = state.jobs.add_runner_token();
  state.runners.heard(fresh, "", body);
  answer_json(res, 201, token_json(state, fresh, 2));
}

/// Another token for a runner, by a person's. This GitLab has one runner.
void reset_by_person(server_state& state, const http_request& req,
                     http_response& res, std::string_view id) {
  int64_t number = 0;
  std::from_chars(id.data(), id.data() + id.size(), number);
  if (req.header("PRIVATE-TOKEN") != state.jobs.options().personal_token)
    return answer_error(res, 401, "401 Unauthorized");
  if (number != 1)
    return answer_error(res, 404, "404 Runner Not Found");
  auto fresh = state.jobs.rotate_first_runner_token();
  answer_json(res, 201, token_json(state, fresh, 1));
}

} // namespace

json token_json(const server_state& state, const std::string& token,
                int64_t id) {
  json expires;
  if (auto lifetime = state.token_lifetime.load(); lifetime > 0) {
    auto at = std::time(nullptr) + lifetime;
    std::tm parts{};
    gmtime_r(&at, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &parts);
    expires = text;
  }
  return {{"id", id}, {"token", token}, {"token_expires_at", expires}};
}

bool serve_runners_api(server_state& state, const http_request& req,
                       http_response& res, std::string_view path) {
  if (req.method != "POST" || !path.starts_with("runners"))
    return false;
  if (path == "runners") {
    register_runner(state, req, res);
    return true;
  }
  constexpr std::string_view prefix = "runners/";
  if (!path.starts_with(prefix) || !path.ends_with(reset_path)
      || path.size() <= prefix.size() + reset_path.size())
    return false;
  path.remove_prefix(prefix.size());
  path.remove_suffix(reset_path.size());
  reset_by_person(state, req, res, path);
  return true;
}

} // namespace muster::gitlab
