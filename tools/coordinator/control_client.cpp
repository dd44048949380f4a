#include "tools/coordinator/control_client.hpp"

#include <fmt/format.h>
#include <httplib.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;

/// `http://host:port` of a URL with or without scheme and path.
std::string origin(std::string url) {
  if (url.find("://") == std::string::npos)
    url = "http://" + url;
  return url.substr(0, url.find('/', url.find("://") + 3));
}

} // namespace

class control_client::impl {
public:
  explicit impl(const std::string& server)
    : server_(origin(server)),
      http_(server_) {
    http_.set_tcp_nodelay(true);
    http_.set_keep_alive(true);
    http_.set_connection_timeout(std::chrono::seconds{10});
    http_.set_read_timeout(std::chrono::hours{2}); // `wait` takes its time
  }

  result<std::string, client_errc> take(const httplib::Result& answer) const {
    if (!answer)
      return fail(client_errc::unreachable,
                  fmt::format("no test GitLab answers at {} ({}): is it "
                              "running, and is --server right?",
                              server_, httplib::to_string(answer.error())));
    if (answer->status < 300)
      return answer->body;
    auto body = json::parse(answer->body, nullptr, false);
    auto text = body.is_object() && body.contains("message")
                    && body["message"].is_string()
                  ? body["message"].get<std::string>()
                  : fmt::format("{} answers {}", server_, answer->status);
    return fail(client_errc::refused, std::move(text));
  }

  result<json, client_errc> take_json(const httplib::Result& answer) const {
    auto text = take(answer);
    if (!text)
      return tl::unexpected(text.error());
    auto body = json::parse(*text, nullptr, false);
    if (body.is_discarded())
      return fail(client_errc::refused,
                  fmt::format("{} does not answer with JSON", server_));
    return body;
  }

  httplib::Client& http() {
    return http_;
  }

private:
  std::string server_;
  httplib::Client http_;
};

control_client::control_client(const std::string& server)
  : impl_(std::make_unique<impl>(server)) {
}

control_client::~control_client() = default;

result<json, client_errc> control_client::get(const std::string& path) {
  return impl_->take_json(impl_->http().Get("/control/" + path));
}

result<json, client_errc> control_client::post(const std::string& path,
                                               const json& body) {
  auto text = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return impl_->take_json(
    impl_->http().Post("/control/" + path, text, "application/json"));
}

result<json, client_errc> control_client::remove(const std::string& path) {
  return impl_->take_json(impl_->http().Delete("/control/" + path));
}

result<std::string, client_errc>
control_client::get_text(const std::string& path) {
  return impl_->take(impl_->http().Get("/control/" + path));
}

} // namespace muster::gitlab
