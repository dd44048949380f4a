#include "tools/coordinator/test_gitlab.hpp"

#include "messages/host_port.hpp"
#include "tools/coordinator/server_state.hpp"

#include <fmt/format.h>

namespace muster {

using namespace gitlab;

namespace {

/// `/gitlab` for `gitlab/`, and nothing for `/`.
std::string tidy_path(std::string_view path) {
  while (path.starts_with('/'))
    path.remove_prefix(1);
  while (path.ends_with('/'))
    path.remove_suffix(1);
  return path.empty() ? std::string{} : fmt::format("/{}", path);
}

/// Where a server that listens on `host` is reached from this machine.
std::string url_of(bool tls, const std::string& host, int port) {
  auto scheme = tls ? "https" : "http";
  if (host == "0.0.0.0")
    return fmt::format("{}://127.0.0.1:{}", scheme, port);
  return fmt::format("{}://{}:{}", scheme, bracketed(host), port);
}

/// The host of the object storage: another one where that needs neither names
/// nor a further certificate.
std::string other_host(const test_gitlab_options& options) {
  return options.host == "127.0.0.1" && options.tls.certificate.empty()
           ? "127.0.0.2"
           : options.host;
}

} // namespace

test_gitlab::test_gitlab(test_gitlab_options options)
  : options_(std::move(options)),
    state_(std::make_unique<server_state>(options_.store, options_.strict)) {
  state_->base_path = tidy_path(options_.base_path);
  state_->masked = options_.masked;
  state_->trace_interval = options_.trace_interval;
  state_->direct_download = options_.direct_download;
  state_->connections = [this] { return connections(); };
  server_ = std::make_unique<http_server>(
    [this](http_request& req, http_response& res) { serve(req, res); });
  other_ = std::make_unique<http_server>(
    [this](http_request& req, http_response& res) {
      if (req.path.starts_with("/storage/"))
        serve_storage(*state_, req, res);
      else
        serve(req, res);
    });
}

test_gitlab::~test_gitlab() {
  stop();
}

result<void, test_gitlab_errc> test_gitlab::start() {
  for (const auto& x : options_.repositories)
    if (auto added = state_->projects.add(x); !added)
      return fail(test_gitlab_errc::bad_repository, added.error().text);
  bool tls = !options_.tls.certificate.empty();
  auto other = listen(*other_, other_host(options_), 0);
  if (!other)
    return tl::unexpected(other.error());
  state_->other_url = url_of(tls, other_host(options_), *other);
  auto set_url = [&](int port) {
    port_ = port;
    state_->url = url_of(tls, options_.host, port) + state_->base_path;
  };
  if (options_.port != 0)
    set_url(options_.port); // a client may already be knocking
  auto port = listen(*server_, options_.host, options_.port);
  if (!port)
    return tl::unexpected(port.error());
  if (options_.port == 0)
    set_url(*port);
  return {};
}

result<int, test_gitlab_errc>
test_gitlab::listen(http_server& server, const std::string& host, int port) {
  auto taken = server.start(host, port, options_.tls);
  if (!taken)
    return fail(taken.error().code == http_errc::bad_tls
                  ? test_gitlab_errc::bad_tls
                  : test_gitlab_errc::cannot_listen,
                taken.error().text);
  return *taken;
}

void test_gitlab::stop() {
  state_->stopping = true;
  state_->jobs.close();
  server_->stop();
  other_->stop();
}

void test_gitlab::serve(http_request& req, http_response& res) {
  std::string_view path = req.path;
  constexpr std::string_view control = "/control/";
  constexpr std::string_view api = "/api/v4/";
  if (options_.control && path.starts_with(control))
    return serve_control(*state_, req, res, path.substr(control.size()));
  if (path.starts_with(state_->base_path)) {
    path.remove_prefix(state_->base_path.size());
    // The path is a view of the request, whose body alone is taken away.
    if (path.starts_with(api))
      return serve_job_api(*state_, req, res, path.substr(api.size()));
    if (path.starts_with('/') && serve_git(*state_, req, res, path.substr(1)))
      return;
  }
  answer_error(res, 404, "404 Not Found");
}

const std::string& test_gitlab::url() const {
  return state_->url;
}

int test_gitlab::port() const {
  return port_;
}

const std::string& test_gitlab::token() const {
  return options_.store.runner_tokens.front();
}

result<std::vector<int64_t>, spec_errc>
test_gitlab::enqueue(const nlohmann::json& job, size_t copies) {
  return enqueue_job(*state_, job, copies);
}

result<int64_t, spec_errc>
test_gitlab::run_pipeline(const std::string& yaml,
                          const nlohmann::json& options,
                          const std::string& file) {
  auto started = start_pipeline(*state_, yaml, file, options);
  if (!started)
    return tl::unexpected(started.error());
  return started->id;
}

result<int64_t, spec_errc>
test_gitlab::run_pipeline(const pipeline_file& file,
                          const nlohmann::json& options,
                          const std::string& name) {
  return start_pipeline(*state_, file, name, options);
}

bool test_gitlab::wait(int64_t job, std::chrono::milliseconds timeout) {
  return state_->jobs.wait_job(job, timeout);
}

bool test_gitlab::wait_all(std::chrono::milliseconds timeout) {
  return state_->jobs.wait_job(0, timeout);
}

bool test_gitlab::wait_pipeline(int64_t id, std::chrono::milliseconds timeout) {
  return state_->jobs.wait_pipeline(id, timeout);
}

std::optional<job_view> test_gitlab::job(int64_t id) const {
  return state_->jobs.job(id);
}

std::string test_gitlab::trace(int64_t id) const {
  return state_->jobs.trace(id);
}

bool test_gitlab::cancel(int64_t id, bool graceful) {
  return state_->jobs.cancel(id, graceful);
}

int64_t test_gitlab::fail_with(fault rule) {
  return state_->faults.add(std::move(rule));
}

store& test_gitlab::jobs() {
  return state_->jobs;
}

fault_list& test_gitlab::faults() {
  return state_->faults;
}

violation_log& test_gitlab::violations() {
  return state_->violations;
}

nlohmann::json test_gitlab::counters() const {
  return state_->counters.to_json();
}

void test_gitlab::set_trace_interval(int seconds) {
  state_->trace_interval = seconds;
}

size_t test_gitlab::connections() const {
  return server_->connections() + other_->connections();
}

void test_gitlab::on_shutdown(std::function<void()> call) {
  state_->shut_down = std::move(call);
}

} // namespace muster
