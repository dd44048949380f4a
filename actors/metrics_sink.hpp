#pragma once

#include "actors/clock.hpp"
#include "config/config.hpp"
#include "messages/decisions.hpp"
#include "messages/phases.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

// What is told to whoever counts. Nothing here answers, waits or fails: no
// decision can come out otherwise because somebody counts or does not. The base
// classes take everything and keep nothing; `actors/metrics/` has those that
// count.
//
// What becomes the value of a label is an enumeration, or brought into a closed
// set by the counting side: a foreign word makes no series of its own.

/// Queues whose depth is told.
enum class told_queue : uint8_t {
  permits,            ///< runners that wait for one of `concurrent`
  gitlab_requests,    ///< of one runner, for an HTTP worker
  acquires,           ///< of one runner: jobs that wait for a slot
  provider_calls,     ///< of one runner, for its provider
  provider_questions, ///< of one runner: instances that ask their provider
  journal,            ///< messages that wait to be written
  log_bytes,          ///< raw bytes that wait in all jobs' logs
  ssh_commands,       ///< for the thread of the connections
};

/// Calls of GitLab's API.
enum class api_endpoint : uint8_t {
  request_job,
  update_job,
  patch_trace,
  reset_token,
};

/// How a job goes on, in the words of GitLab Runner's executors.
enum class executor_stage : uint8_t { created, prepare, finish };

/// Something of a runner that is only counted.
enum class runner_event : uint8_t {
  fed,                 ///< it may ask for a job, as far as it concerns itself
  unhealthy,           ///< it may not: GitLab refused it too often
  requests_full,       ///< it may not: as many requests as allowed are out
  no_capacity,         ///< GitLab is not asked: no slot can be promised
  job_refused,         ///< a job was received and failed: it cannot be begun
  config_saved,        ///< a new token is in config.toml
  config_saving_error, ///< it is not
};

/// What a group does with promises and slots.
enum class task_operation : uint8_t {
  acquire,
  acquire_capacity_failure,
  acquire_timeout,
  reserve,
  reserve_iop_capacity_failure,
  reserve_available_capacity_failure,
  unreserve,
};

/// Calls of a provider: each may be one of its cloud's API.
enum class provider_call : uint8_t {
  init,
  update,
  increase,
  decrease,
  connect_info,
  heartbeat,
};

/// What a group does with its provider.
enum class group_operation : uint8_t { provision, removal, reconcile };

enum class process_state : uint8_t {
  starting,
  running,
  graceful_shutdown,
  forceful_shutdown,
};

struct job_facts {
  int64_t job = 0;
  std::string url;                  ///< of its project, without credentials
  std::string executor;             ///< `instance`
  bool is_new = true;               ///< not left by an earlier manager
  std::chrono::milliseconds age{0}; ///< since GitLab gave it
  bool tells_stages = false;        ///< FF_EXPORT_HIGH_CARDINALITY_METRICS
  /// What GitLab said when it gave the job; nothing if it did not.
  std::optional<double> queued_s;
  std::optional<int64_t> queue_size;
  std::optional<int64_t> queue_depth;
  std::string project_jobs_running;
};

struct job_end {
  bool success = false;
  bool timed_out = false;
  bool canceled = false;
  std::string reason; ///< ours, before it is put into words that GitLab knows
  std::chrono::milliseconds took{0};
};

/// One job, as long as this is kept. From any thread.
class job_metrics {
public:
  virtual ~job_metrics() = default;
  virtual void at(executor_stage) {
  }
  /// It has begun so long ago. Stages come in their order; those that ended in
  /// an earlier manager's time were counted there.
  virtual void stage_begun(std::string_view, std::chrono::microseconds) {
  }
  /// Counted is the first time.
  virtual void ended(const job_end&) {
  }
};

/// How much one who has a queue has in it, as long as this is kept. From his
/// own thread alone. Those of one runner add up: a former one may still have
/// some when another takes its place.
class queue_metrics {
public:
  virtual ~queue_metrics() = default;
  virtual void holds(size_t) {
  }
};

struct group_limits {
  int max_instances = 0;
  int capacity_per_instance = 1;
  int max_use_count = 0;
};

/// A group's counts at one moment.
struct group_counts {
  int requested = 0; ///< asked for, not answered yet [instances]
  int idle = 0;      ///< [slots]
  int pending = 0;
  int acquired = 0;
  int reserved = 0;
  int unavailable = 0;
  int accepted = 0; ///< by the provider, not seen in a listing yet [instances]
};

/// One group of instances, as long as this is kept. From its actor alone.
class group_metrics {
public:
  virtual ~group_metrics() = default;
  virtual void limits(const group_limits&) {
  }
  /// New, or in another state. `requested`: when it was asked for, if it was.
  virtual void seen(const std::string&, cloud_state, time_point,
                    std::optional<time_point>) {
  }
  virtual void missed() {
  }
  virtual void ready(const std::string&, time_point) {
  }
  virtual void deletion_accepted(const std::string&, time_point) {
  }
  virtual void gone(const std::string&, time_point) {
  }
  virtual void did(group_operation) {
  }
  virtual void did(task_operation) {
  }
  /// A decision: instances to be added, or removed if below zero.
  virtual void wanted(int) {
  }
  /// A decision acted by this rule, or came out by it and not by the one
  /// before.
  virtual void decided(decision_rule) {
  }
  /// It was begun to carry out, upwards or downwards.
  virtual void scaled(bool) {
  }
  virtual void counts(const group_counts&) {
  }
};

/// One runner. From any thread.
class runner_metrics {
public:
  virtual ~runner_metrics() = default;
  virtual std::shared_ptr<job_metrics> job(const job_facts&) {
    return std::make_shared<job_metrics>();
  }
  virtual std::shared_ptr<group_metrics> group(const time_buckets& = {}) {
    return std::make_shared<group_metrics>();
  }
  virtual void happened(runner_event) {
  }
  /// `limit` and `request_concurrency`, as they are from now on.
  virtual void bounds(int, int) {
  }
  /// A job that has no actor (any more) ended as failed, for this reason. Not
  /// counted if its actor has told its end.
  virtual void job_failed(int64_t, const std::string&) {
  }
  /// Nothing more comes of a job that had an actor.
  virtual void job_over(int64_t) {
  }
  /// Requests for a job that are out, and how many may be.
  virtual void requests(int, int) {
  }
  /// GitLab was asked; the status is 0 if it did not answer.
  virtual void called(api_endpoint, int, std::chrono::nanoseconds) {
  }
  /// The provider was called, and did it or not.
  virtual void called(provider_call, bool) {
  }
  virtual std::shared_ptr<queue_metrics> queue(told_queue) {
    return std::make_shared<queue_metrics>();
  }
  /// A job gave its slot back.
  virtual void slot_released() {
  }
};

struct runner_facts {
  std::string token; ///< the short one: what may be shown
  std::string name;
  std::string system_id;
  std::string api_path; ///< `/api/v4/`, behind GitLab's own folder
  int limit = 0;
  int request_concurrency = 1;
};

/// The process. From any thread.
class metrics_sink {
public:
  virtual ~metrics_sink() = default;
  virtual std::shared_ptr<runner_metrics> runner(const runner_facts&) {
    return std::make_shared<runner_metrics>();
  }
  virtual void is(process_state) {
  }
  virtual std::shared_ptr<queue_metrics> queue(told_queue) {
    return std::make_shared<queue_metrics>();
  }
  /// The configuration was read again, and is in force or cannot be used.
  virtual void config_read(bool) {
  }
  /// The setting `concurrent`, as it is from now on.
  virtual void concurrent(int) {
  }
};

} // namespace muster
