#pragma once

#include "actors/coordinator/api_client.hpp"
#include "actors/coordinator/runner_token.hpp"
#include "actors/metrics_sink.hpp"
#include "actors/trace_shelf.hpp"
#include "messages/coordinator.hpp"

#include <caf/all.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace muster {

/// What the HTTP workers of one runner share: who they speak for, and the
/// cursor of GitLab's queue. May be used from any thread.
class api_session {
public:
  api_session(api_settings with, manager_info info,
              std::shared_ptr<runner_token> token, std::string system_id,
              certificate_files files);

  const api_settings settings;
  const manager_info info;
  const std::shared_ptr<runner_token> token;
  const std::string system_id;
  const certificate_files files; ///< also for the tools of jobs
  const std::shared_ptr<certificate_store> trusted;

  /// Completes a job with what this manager knows of its own, in the worker's
  /// thread; it may block for a while. Empty: nothing. Set before the first
  /// worker starts.
  std::function<void(job_payload&)> complete_job;

  std::string last_update() const;

  /// Keeps what an answer told, if it told anything.
  void note(const api_answer& x);

private:
  mutable std::mutex mutex_;
  std::string last_update_;
};

/// Ends the call that a worker is in, from any thread.
using stop_call = std::function<void()>;

struct started_worker {
  http_worker_actor actor;
  stop_call stop;
};

struct http_worker_state {
  std::shared_ptr<api_client> client;
  uint64_t number = 0;
  const char* name = "http worker";
};

/// An edge: one HTTP client with a thread of its own. Answers who asked, and
/// tells its coordinator, which it monitors, that it is free again.
started_worker start_http_worker(caf::local_actor* from,
                                 const coordinator_actor& parent,
                                 uint64_t number,
                                 const std::shared_ptr<api_session>& session,
                                 const std::shared_ptr<trace_shelf>& traces,
                                 const std::shared_ptr<runner_metrics>& told);

} // namespace muster
