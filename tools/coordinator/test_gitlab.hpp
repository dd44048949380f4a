#pragma once

#include "tools/coordinator/enqueue.hpp"
#include "tools/coordinator/faults.hpp"
#include "tools/coordinator/http_server.hpp"
#include "tools/coordinator/store.hpp"
#include "tools/coordinator/violations.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster {

/// How a test GitLab is set up.
struct test_gitlab_options {
  std::string host = "127.0.0.1"; ///< to listen on
  int port = 0;                   ///< 0: a free one
  std::string base_path;          ///< `/gitlab`, as of a GitLab below a path
  std::vector<std::string> repositories; ///< `group/name=FOLDER`
  /// Variables that every job gets, masked.
  std::vector<std::pair<std::string, std::string>> masked;
  /// HTTPS; the certificate must be good for `host`.
  gitlab::tls_files tls;
  int direct_download = 302;   ///< of downloads; 0: the file is answered
  bool control = true;         ///< serve the control API
  bool strict = false;         ///< violations are shown on stderr at once
  int trace_interval = 0;      ///< X-GitLab-Trace-Update-Interval [s]; 0: none
  gitlab::store_options store; ///< runner tokens, long poll, bounds
};

enum class test_gitlab_errc : uint8_t {
  bad_repository = 1, ///< one of `repositories` is none
  cannot_listen,
  bad_tls, ///< a certificate or key cannot be used
};

/// A GitLab for tests, benchmarks and demos: the job API with artifacts, git
/// over HTTP, and a control API, in this process and on loopback; on a second
/// port, and where it can on another host, the object storage that downloads
/// are sent on to. Everything may be called from
/// any thread; `stop` (and the destructor) ends all connections within a
/// second.
class test_gitlab {
public:
  explicit test_gitlab(test_gitlab_options options = {});
  ~test_gitlab();
  test_gitlab(const test_gitlab&) = delete;
  test_gitlab& operator=(const test_gitlab&) = delete;

  /// Errors: all codes.
  result<void, test_gitlab_errc> start();
  void stop();

  /// What a runner's `url` is: with the base path, without a slash at the end.
  const std::string& url() const;
  int port() const;
  /// The first runner token.
  const std::string& token() const;

  /// Queues copies of a job (`gitlab::job_from_json`): `{{"script", "true"}}`.
  result<std::vector<int64_t>, gitlab::spec_errc>
  enqueue(const nlohmann::json& job, size_t copies = 1);
  /// Starts a pipeline (`gitlab::start_pipeline`). Returns its id.
  result<int64_t, gitlab::spec_errc>
  run_pipeline(const std::string& yaml,
               const nlohmann::json& options = nlohmann::json::object(),
               const std::string& file = ".gitlab-ci.yml");

  /// The same with a file that was read (`gitlab::parse_pipeline`).
  result<int64_t, gitlab::spec_errc>
  run_pipeline(const gitlab::pipeline_file& file, const nlohmann::json& options,
               const std::string& name = ".gitlab-ci.yml");

  /// Waits until the job, or with 0 every job, has ended; false at the
  /// deadline.
  bool wait(int64_t job, std::chrono::milliseconds timeout);
  bool wait_all(std::chrono::milliseconds timeout);
  bool wait_pipeline(int64_t id, std::chrono::milliseconds timeout);

  std::optional<gitlab::job_view> job(int64_t id) const;
  std::string trace(int64_t id) const;
  bool cancel(int64_t id, bool graceful);
  /// Adds a fault; returns its id for `faults().remove`.
  int64_t fail_with(gitlab::fault rule);

  gitlab::store& jobs();
  gitlab::fault_list& faults();
  gitlab::violation_log& violations();
  /// `requests` per endpoint, `statuses`.
  nlohmann::json counters() const;
  /// Changes X-GitLab-Trace-Update-Interval [s]; 0: none.
  void set_trace_interval(int seconds);
  size_t connections() const;
  /// Called when the control API is asked to shut down, from a thread of the
  /// server: it must not stop it there. Set before `start`.
  void on_shutdown(std::function<void()> call);

private:
  void serve(gitlab::http_request& req, gitlab::http_response& res);
  result<int, test_gitlab_errc> listen(gitlab::http_server& server,
                                       const std::string& host, int port);

  test_gitlab_options options_;
  std::unique_ptr<gitlab::server_state> state_;
  std::unique_ptr<gitlab::http_server> server_;
  std::unique_ptr<gitlab::http_server> other_; ///< another host's
  int port_ = 0;
};

} // namespace muster
