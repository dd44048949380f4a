#pragma once

#include "tools/coordinator/artifact_file.hpp"
#include "tools/coordinator/pipeline_order.hpp"
#include "tools/coordinator/projects.hpp"
#include "tools/coordinator/trace_log.hpp"
#include "tools/coordinator/violations.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace muster::gitlab {

/// When a failed job of a pipeline is run again.
struct retry_policy {
  int max = 0;
  std::vector<std::string> when; ///< failure reasons; empty: any
  std::vector<int> exit_codes;   ///< besides; empty: any
};

/// What a job is before it has a number: shared by all copies.
struct job_template {
  std::string name = "job";
  std::string stage = "test";
  std::string project;            ///< full path, `group/demo`
  std::string expect = "success"; ///< how it should end: `success`, `failed:3`
  std::string runner_token;       ///< only this runner gets it; empty: any
  std::string job_token;          ///< fixed; empty: a fresh one for each job
  run_when when = run_when::on_success;
  bool allow_failure = false;
  std::vector<int> allow_failure_codes;     ///< exit codes that are allowed
  std::vector<std::string> failure_reasons; ///< that the payload allows
  commit_info commit; ///< for the CI_* variables and git_info
  bool predefined
    = true; ///< the CI_* variables are put in front when handed out
  std::vector<int64_t> dependencies; ///< jobs whose artifacts it gets
  retry_policy retry;
  int node_index = 0; ///< of jobs in parallel, from 1; 0: it is alone
  int node_total = 1;
  /// Variables that win over all others: of who started the pipeline.
  nlohmann::json late_variables = nlohmann::json::array();
  nlohmann::json payload; ///< as handed out, without what depends on the job
};

/// A file that a job uploaded.
struct artifact {
  std::string type = "archive"; ///< `archive`, `junit`, ...; one file of each
  std::string format;           ///< `zip`, `gzip`, `raw`; may be empty
  std::string file_name;
  std::string expire_in; ///< as the client named it
  int64_t at_us = 0;     ///< when it was whole, Unix time [µs]
  std::shared_ptr<const artifact_file> file;
  nlohmann::json variables; ///< of a dotenv report
};

/// A job that another one depends on.
struct dependency {
  int64_t id = 0;
  std::string token;
  std::string name;
  std::string file_name; ///< of its archive; empty: it has none
  uint64_t size = 0;     ///< [bytes]
};

/// A job of a pipeline: what it is, and what it waits for.
struct pipeline_job {
  job_template job;
  size_t stage = 0;
  bool has_needs = false;
  std::vector<size_t> needs;        ///< indices in the same pipeline
  std::vector<size_t> dependencies; ///< indices of those it gets artifacts of
};

/// All that is known about a job. Times are Unix time [µs], 0: not yet.
struct job_view {
  int64_t id = 0;
  int64_t pipeline = 0; ///< 0: none
  std::string name;
  std::string stage;
  std::string token;
  std::string project;
  std::string expect;
  job_state state = job_state::pending;
  bool allow_failure = false;
  bool failure_allowed = false; ///< it failed, and may
  bool retried = false;  ///< it failed, and another one runs in its place
  std::string runner;    ///< token of the runner that took it
  std::string system_id; ///< of the manager that took it
  int exit_code = 0;
  std::string failure_reason;
  std::string reported; ///< the final state as the client named it
  int64_t queued_us = 0;
  int64_t handed_out_us = 0;
  int64_t accepted_us = 0;
  int64_t finished_us = 0;
  uint64_t trace_size = 0; ///< [bytes]
  uint32_t trace_crc = 0;
  uint64_t touches = 0; ///< updates with state `running` after acceptance
  std::vector<trace_arrival> arrivals;
  std::vector<artifact> artifacts;
  std::vector<dependency> dependencies; ///< filled when it is handed out
  /// From dotenv reports of those, likewise.
  nlohmann::json inherited_variables = nlohmann::json::array();
  std::shared_ptr<const job_template> what;
};

/// Whether the job ended as its `expect` says.
bool as_expected(const job_view& x);

struct pipeline_view {
  int64_t id = 0;
  std::string name;
  std::string state; ///< `running`, `success`, `failed` or `canceled`
  int64_t created_us = 0;
  std::vector<int64_t> jobs;
  std::vector<int64_t> retried; ///< jobs in whose place others run
};

struct store_options {
  std::vector<std::string> runner_tokens{"glrt-test-token-1"};
  std::string registration_token = "GR1348941test-registration";
  std::string personal_token = "glpat-test-person";
  std::chrono::milliseconds long_poll{0}; ///< how long a request may be parked
  /// A parked request is answered with 204 when the queue changes, as by
  /// GitLab's Workhorse; else it gets the job at once.
  bool long_poll_only_wakes = false;
  /// A job handed out and not accepted for so long is queued again.
  std::chrono::milliseconds accept_within{120'000};
  uint64_t trace_keep_per_job = uint64_t{64} << 20; ///< [bytes]
  uint64_t trace_keep_total = uint64_t{4} << 30;    ///< [bytes]
  uint64_t artifact_size_max = uint64_t{4} << 30;   ///< of one file [bytes]
  uint64_t artifacts_size_max = uint64_t{16} << 30; ///< of all [bytes]
  size_t jobs_max = 100'000; ///< jobs that are remembered
};

struct job_question {
  std::string token;
  std::string system_id;
  std::string last_update; ///< the cursor that the client sent; may be empty
};

struct job_reply {
  int status = 204; ///< 201, 204 or 403
  std::optional<job_view> job;
  std::string last_update; ///< the cursor to send
};

struct job_update {
  int64_t id = 0;
  std::string token;
  std::string state; ///< `running`, `success`, `failed`
  std::string failure_reason;
  int exit_code = 0;
  bool has_output = false; ///< names a checksum or a size
  std::string checksum;
  uint64_t size = 0; ///< [bytes]
};

/// What a PUT or PATCH is answered with.
struct job_answer {
  int status = 200;
  std::string job_status;  ///< header `Job-Status`; empty: none
  uint64_t trace_size = 0; ///< for the header `Range` [bytes]
  std::string message;     ///< of an error
};

/// What a request for an artifact gets.
struct artifact_reply {
  int status = 200; ///< 200, 403 or 404
  artifact what;
};

/// Jobs, the queue, traces, artifacts and pipelines of the test GitLab; the
/// rules of the job API without HTTP. All of it may be called from any thread.
class store {
public:
  store(store_options options, violation_log& violations);

  // -- what the client of the job API may do --------------------------------

  /// Hands out the next job. May wait up to `long_poll` if the client's cursor
  /// is the current one. `connected` is asked before a job is given away and
  /// now and then while waiting: a client that went away gets none.
  job_reply request_job(const job_question& ask,
                        const std::function<bool()>& connected);
  job_answer update(const job_update& what);
  job_answer patch(int64_t id, const std::string& token,
                   std::optional<byte_range> range, std::string&& bytes);

  /// The answer to an upload that is refused whatever it holds; nothing if it
  /// may come.
  std::optional<job_answer> refuse_upload(int64_t id, const std::string& token);
  /// Keeps an uploaded file: 201, or 400 for a second one of its type.
  job_answer add_artifact(int64_t id, const std::string& token, artifact what);
  /// The archive of a job, for who has the token of that job, running or not.
  artifact_reply archive_of(int64_t id, const std::string& token);
  /// How large a file may be [bytes].
  uint64_t artifact_size_max() const;
  void set_artifact_size_max(uint64_t size);

  bool knows_runner(const std::string& token) const;
  /// Replaces a runner's token by a fresh one; nothing for an unknown token.
  std::optional<std::string> rotate_runner_token(const std::string& token);
  std::string rotate_first_runner_token();
  /// A new runner, registered by a registration token.
  std::string add_runner_token();
  void drop_runner_token(const std::string& token);
  const store_options& options() const {
    return options_;
  }
  /// The job that is being run under this token, if any.
  std::optional<job_view> running_with(const std::string& token) const;

  /// A fault was put on a request of this job: what the client does because it
  /// does not know the outcome is no violation any more.
  void excuse(int64_t id);
  /// The same for a fault of an upload: it may come again.
  void excuse_upload(int64_t id);
  /// A request for the job begins or ends. Two at once are a violation.
  void enter(int64_t id);
  void leave(int64_t id);

  // -- control ---------------------------------------------------------------

  /// Queues `copies` of a job. Empty when `jobs_max` would be exceeded.
  std::vector<int64_t> enqueue(std::shared_ptr<const job_template> what,
                               size_t copies = 1);
  /// Starts a pipeline; its first jobs are queued at once. 0 when `jobs_max`
  /// would be exceeded.
  int64_t start_pipeline(std::string name, std::vector<pipeline_job> jobs);

  /// Cancels: `graceful` lets a running job end itself (`canceling`). False if
  /// there is no such job or it has ended.
  bool cancel(int64_t id, bool graceful);
  /// Cancels all jobs of a pipeline that have not ended: none of them is begun.
  void cancel_pipeline(int64_t id, bool graceful);

  std::optional<job_view> job(int64_t id) const;
  /// All jobs in order, without their arrivals.
  std::vector<job_view> jobs() const;
  std::optional<pipeline_view> pipeline(int64_t id) const;
  std::string trace(int64_t id, uint64_t offset = 0,
                    uint64_t max = UINT64_MAX) const;

  /// Waits until the job, or with 0 every job, has ended. False at the deadline
  /// or when the store was closed.
  bool wait_job(int64_t id, std::chrono::milliseconds timeout);
  bool wait_pipeline(int64_t id, std::chrono::milliseconds timeout);
  /// A number that grows with every change of a state or a trace.
  uint64_t version() const;
  /// Waits until `version()` differs from `seen`; returns it then.
  uint64_t wait_change(uint64_t seen, std::chrono::milliseconds timeout);

  void set_long_poll(std::chrono::milliseconds time);
  /// Requests that are parked in a long poll now.
  size_t parked() const;
  size_t jobs_ended() const;
  size_t jobs_total() const;
  /// Forgets ended jobs and their traces. Returns how many.
  size_t forget_ended();

  /// Ends all waiting; later waits end at once.
  void close();

private:
  struct record {
    job_view view; ///< without arrivals and trace figures: those are in `log`
    trace_log log;
    bool excused = false;
    bool upload_excused = false;
    bool acceptance_tried = false;
    int busy = 0;       ///< requests in flight
    int after_end = 0;  ///< requests after the job had ended
    int mismatches = 0; ///< final updates with a wrong checksum
    int retries = 0;    ///< jobs that failed in its place before
  };

  struct pipeline_record {
    pipeline_view view;
    std::vector<order_node> order; ///< same indices as `view.jobs`
  };

  using lock = std::unique_lock<std::mutex>;
  using deadline = std::chrono::steady_clock::time_point;

  record* find(int64_t id);
  const record* find(int64_t id) const;
  job_view view_of(const record& x, bool with_arrivals) const;
  void add_dependencies(job_view& to) const;
  int64_t successor_of(int64_t id) const;
  std::string fresh_token(std::string_view prefix);
  int64_t add_job(std::shared_ptr<const job_template> what, int64_t pipeline,
                  job_state state);
  void queue(record& x);
  record* take(const job_question& ask);
  void requeue_unaccepted();
  std::string cursor() const;
  bool wait_for_queue(lock& guard, uint64_t seen, deadline until,
                      const std::function<bool()>& connected);
  bool wait_until_true(lock& guard, std::chrono::milliseconds timeout,
                       const std::function<bool()>& reached);
  std::optional<job_answer> refusal(record* x, int64_t id,
                                    const std::string& token, const char* what);
  job_answer accept_or_touch(record& x, const job_update& what);
  job_answer finish(record& x, const job_update& what);
  void check_final(const record& x, const job_update& what);
  void check_touch(const record& x, const job_update& what);
  void end(record& x, job_state state);
  void end_quietly(record& x, job_state state);
  bool retry(record& x);
  void pipeline_moved(int64_t id);
  void changed();

  store_options options_;
  violation_log& violations_;
  mutable std::mutex mutex_;
  std::condition_variable queue_changed_;
  std::condition_variable anything_changed_;
  std::map<int64_t, record> jobs_;
  std::map<int64_t, pipeline_record> pipelines_;
  std::map<int64_t, int64_t> successors_; ///< of jobs that were retried
  std::deque<int64_t> queue_;
  std::map<std::string, int64_t> by_token_; ///< of jobs that have not ended
  std::deque<int64_t> unaccepted_;          ///< handed out, oldest first
  std::vector<std::string> runner_tokens_;
  uint64_t queue_version_ = 1;
  uint64_t version_ = 1;
  uint64_t trace_kept_ = 0;
  uint64_t artifacts_kept_ = 0; ///< [bytes]
  size_t ended_ = 0;
  size_t parked_ = 0;
  int64_t last_job_ = 0;
  int64_t last_pipeline_ = 0;
  bool closed_ = false;
};

} // namespace muster::gitlab
