#pragma once

#include "tools/coordinator/faults.hpp"
#include "tools/coordinator/http_server.hpp"
#include "tools/coordinator/projects.hpp"
#include "tools/coordinator/store.hpp"
#include "tools/coordinator/violations.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace muster::gitlab {

/// How often what was asked and answered.
class request_counters {
public:
  void count(const std::string& endpoint, int status);
  /// `{requests: {endpoint: n}, statuses: {code: n}}`; status 0 is a connection
  /// that was broken on purpose.
  nlohmann::json to_json() const;

private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> by_endpoint_;
  std::map<int, uint64_t> by_status_;
};

/// What a client told of itself, and when it was last heard.
class runner_table {
public:
  void heard(const std::string& token, const std::string& system_id,
             const nlohmann::json& info);
  nlohmann::json to_json() const;

private:
  struct row {
    nlohmann::json info;
    int64_t last_us = 0;
    uint64_t requests = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, row> rows_;
};

/// When a client may ask again, from the Retry-After that it was sent.
class retry_table {
public:
  void sent(const std::string& key, int seconds);
  /// Whether a request comes before it may.
  bool too_early(const std::string& key);

private:
  std::mutex mutex_;
  std::map<std::string, int64_t> until_us_;
};

/// Where downloads were sent on to: paths with a signature, as of an object
/// storage.
class storage_links {
public:
  /// Returns the path and query under which it is found from now on.
  std::string add(artifact what);
  std::optional<artifact> find(const std::string& path) const;

private:
  mutable std::mutex mutex_;
  std::map<std::string, artifact> links_;
};

/// What the APIs of the test GitLab share.
struct server_state {
  server_state(store_options options, bool strict)
    : violations(strict),
      jobs(std::move(options), violations) {
  }

  std::string url;       ///< with the base path, without a slash at the end
  std::string base_path; ///< `/gitlab`, or empty
  std::string other_url; ///< another host of this server, without base path
  project_list projects;
  violation_log violations;
  fault_list faults;
  store jobs;
  request_counters counters;
  runner_table runners;
  retry_table retries;
  storage_links links;
  /// What a download with direct_download=true is answered with: 302, 307, or
  /// 0 for the file itself.
  std::atomic<int> direct_download{302};
  std::atomic<int> trace_interval{0}; ///< sent with each answer [s]; 0: none
  std::atomic<int64_t> token_lifetime{0}; ///< of runner tokens [s]; 0: for ever
  std::atomic<bool> stopping{false};
  std::function<size_t()> connections;
  std::function<void()> shut_down; ///< asks the owner to stop the server
  /// Variables that every job gets, masked: name and value.
  std::vector<std::pair<std::string, std::string>> masked;
};

void answer_json(http_response& res, int status, const nlohmann::json& body);
/// `{"message": text}`, as GitLab tells of errors.
void answer_error(http_response& res, int status, const std::string& text);

/// The API under `/api/v4/`; `path` is what follows that.
void serve_job_api(server_state& state, http_request& req, http_response& res,
                   std::string_view path);
/// `/api/v4/jobs/:id/artifacts`.
void serve_artifacts(server_state& state, http_request& req, http_response& res,
                     int64_t job);
/// `/storage/` at the other host.
void serve_storage(server_state& state, const http_request& req,
                   http_response& res);
/// Whether it is 32 lower-case hex digits.
bool is_request_id(std::string_view text);
/// Registration of runners, and tokens by a person's. False if it is no such
/// path.
bool serve_runners_api(server_state& state, const http_request& req,
                       http_response& res, std::string_view path);
/// What GitLab says of a runner's token.
nlohmann::json token_json(const server_state& state, const std::string& token,
                          int64_t id);
/// The API under `/control/`; `path` is what follows that.
void serve_control(server_state& state, const http_request& req,
                   http_response& res, std::string_view path);
/// Smart HTTP; `path` has the project. False if it is no path of a repository.
bool serve_git(server_state& state, const http_request& req, http_response& res,
               std::string_view path);

/// Does what a fault says instead of acting. Returns false for the kinds that
/// let the request be acted on.
bool break_answer(const fault& what, http_response& res);

} // namespace muster::gitlab
