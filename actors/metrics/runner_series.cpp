#include "actors/metrics/runner_series.hpp"

#include "actors/metrics/core.hpp"
#include "actors/metrics/group_series.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <mutex>
#include <set>
#include <utility>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

/// All jobs are carried out stage by stage: there are no native steps yet.
constexpr auto mode = "traditional";

double seconds(std::chrono::nanoseconds x) {
  return std::chrono::duration<double>{x}.count();
}

metric_labels with(metric_labels labels, const char* name, std::string value) {
  labels[name] = std::move(value);
  return labels;
}

/// GitLab counts up to a bound and says `+Inf` beyond.
std::string known_count(const std::string& text) {
  auto is_number = !text.empty() && text.size() <= 2
                   && text.find_first_not_of("0123456789") == text.npos;
  return is_number || text == "+Inf" ? text : "unknown";
}

/// Of our own reasons; see `to_string(job_errc)`.
std::string known_reason(const std::string& text) {
  constexpr std::array known{"script_failure",        "runner_system_failure",
                             "job_execution_timeout", "job_canceled",
                             "runner_interrupted",    "configuration_error"};
  return std::ranges::find(known, text) == known.end() ? "unknown_failure"
                                                       : text;
}

std::string_view name_of(executor_stage x) {
  switch (x) {
    case executor_stage::created:
      return "created";
    case executor_stage::prepare:
      return "prepare";
    case executor_stage::finish:
      break;
  }
  return "finish";
}

std::string_view state_of(const job_end& x) {
  if (x.success)
    return "success";
  if (x.canceled)
    return "canceled";
  return x.timed_out ? "timedout" : "failed";
}

struct call_names {
  const char* endpoint;
  const char* method; ///< upper case
  const char* path;   ///< behind `/api/v4/`
};

call_names names_of(api_endpoint x) {
  switch (x) {
    case api_endpoint::request_job:
      return {"request_job", "POST", "jobs/request"};
    case api_endpoint::update_job:
      return {"update_job", "PUT", "jobs/{id}"};
    case api_endpoint::patch_trace:
      return {"patch_trace", "PATCH", "jobs/{id}/trace"};
    case api_endpoint::reset_token:
      break;
  }
  return {"reset_token", "POST", "runners/reset_authentication_token"};
}

const char* name_of(provider_call x) {
  switch (x) {
    case provider_call::init:
      return "init";
    case provider_call::update:
      return "update";
    case provider_call::increase:
      return "increase";
    case provider_call::decrease:
      return "decrease";
    case provider_call::connect_info:
      return "connect_info";
    case provider_call::heartbeat:
      break;
  }
  return "heartbeat";
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

/// Jobs whose actor has told the end, and may still be lost. Thread-safe.
class ended_jobs {
public:
  void add(int64_t job) {
    std::lock_guard guard{mutex_};
    jobs_.insert(job);
  }

  /// Returns whether it was there.
  bool remove(int64_t job) {
    std::lock_guard guard{mutex_};
    return jobs_.erase(job) > 0;
  }

private:
  std::mutex mutex_;
  std::set<int64_t> jobs_;
};

class job_series final : public job_metrics {
public:
  job_series(std::shared_ptr<metrics_core> core, const metric_labels& runner,
             std::shared_ptr<ended_jobs> ended, const job_facts& x)
    : core_(std::move(core)),
      ended_(std::move(ended)),
      runner_(runner),
      job_(x.job),
      tells_(x.tells_stages),
      made_(clock::now()) {
    job_row row;
    row.runner = runner;
    row.job = x.job;
    row.url = x.url;
    row.since = made_ - x.age;
    id_ = core_->add_job(std::move(row));
    if (!x.is_new)
      return;
    core_->counter("gitlab_runner_jobs_total", runner_).Increment();
    core_
      ->counter("gitlab_runner_job_execution_mode_total",
                {{"mode", mode}, {"executor", x.executor}})
      .Increment();
    if (x.queued_s)
      core_
        ->histogram("gitlab_runner_job_queue_duration_seconds",
                    with(runner_, "project_jobs_running",
                         known_count(x.project_jobs_running)))
        .Observe(*x.queued_s);
    if (x.queue_size)
      core_->gauge("gitlab_runner_job_queue_size", runner_)
        .Set(static_cast<double>(*x.queue_size));
    if (x.queue_depth)
      core_->gauge("gitlab_runner_job_queue_depth", runner_)
        .Set(static_cast<double>(*x.queue_depth));
  }

  ~job_series() override {
    core_->remove_job(id_);
  }

  job_series(const job_series&) = delete;
  job_series& operator=(const job_series&) = delete;

  void at(executor_stage x) override {
    core_->change_job(id_, [x](auto& row) { row.executor_stage = name_of(x); });
  }

  void stage_begun(std::string_view name,
                   std::chrono::microseconds ago) override {
    auto now = clock::now() - ago;
    auto stage = known_stage(name);
    job_row before;
    core_->change_job(id_, [&](auto& row) {
      before = row;
      if (row.over)
        return;
      row.state = "running";
      row.stage = stage;
      row.stage_since = now;
    });
    if (!before.over)
      tell_stage(before, now);
  }

  void ended(const job_end& x) override {
    job_row before;
    core_->change_job(id_, [&](auto& row) {
      before = row;
      if (std::exchange(row.over, true))
        return;
      row.state = state_of(x);
      row.executor_stage = name_of(executor_stage::finish);
    });
    if (before.over)
      return;
    ended_->add(job_);
    tell_stage(before, clock::now());
    core_
      ->histogram("gitlab_runner_job_duration_seconds",
                  with(runner_, "mode", mode))
      .Observe(seconds(x.took));
    if (!x.success)
      count_failure(*core_, runner_, x.reason, "job_failure");
  }

  static void count_failure(metrics_core& core, const metric_labels& runner,
                            const std::string& reason, const char* type) {
    core
      .counter("gitlab_runner_failed_jobs_total",
               {{"runner", runner.at("runner")},
                {"runner_name", runner.at("runner_name")},
                {"failure_reason", known_reason(reason)},
                {"mode", mode}})
      .Increment();
    core
      .counter("gitlab_runner_worker_processing_failures_total",
               with(runner, "failure_type", type))
      .Increment();
  }

private:
  /// One that ended before there was this object was told by another manager.
  void tell_stage(const job_row& of, clock::time_point now) {
    if (tells_ && !of.stage.empty() && now >= made_)
      core_
        ->histogram("gitlab_runner_job_stage_duration_seconds",
                    with(runner_, "stage", of.stage))
        .Observe(seconds(now - of.stage_since));
  }

  const std::shared_ptr<metrics_core> core_;
  const std::shared_ptr<ended_jobs> ended_;
  const metric_labels runner_;
  const int64_t job_;
  const bool tells_;
  const clock::time_point made_;
  uint64_t id_ = 0;
};

class runner_series final : public runner_metrics {
public:
  runner_series(std::shared_ptr<metrics_core> core, const runner_facts& x)
    : core_(std::move(core)),
      labels_{{"runner", x.token},
              {"runner_name", x.name},
              {"system_id", x.system_id}},
      short_{{"runner", x.token}, {"system_id", x.system_id}},
      api_path_(x.api_path) {
    core_->add_runner(labels_);
    limit_.of(core_->gauge("gitlab_runner_limit", labels_));
    allowed_max_.of(
      core_->gauge("gitlab_runner_request_concurrency_hard_limit", short_));
    out_.of(core_->gauge("gitlab_runner_request_concurrency", short_));
    allowed_.of(
      core_->gauge("gitlab_runner_request_concurrency_adaptive_limit", short_));
    used_.of(
      core_->gauge("gitlab_runner_request_concurrency_used_limit", short_));
    runner_series::bounds(x.limit, x.request_concurrency);
    for (const auto* name :
         {"gitlab_runner_jobs_total", "gitlab_runner_worker_feeds_total",
          "gitlab_runner_worker_feed_failures_total",
          "gitlab_runner_worker_health_check_failures_total"})
      core_->counter(name, labels_);
    core_->counter("gitlab_runner_request_concurrency_exceeded_total", short_);
    for (const auto* type : {"other", "no_free_executor", "job_failure"})
      core_->counter("gitlab_runner_worker_processing_failures_total",
                     with(labels_, "failure_type", type));
    runner_series::requests(0, x.request_concurrency);
  }

  ~runner_series() override {
    bounds_are(0, 0);
    requests_are(0, 0);
  }

  runner_series(const runner_series&) = delete;
  runner_series& operator=(const runner_series&) = delete;

  void bounds(int limit, int request_concurrency) override {
    bounds_are(limit, request_concurrency);
  }

  std::shared_ptr<job_metrics> job(const job_facts& x) override {
    return std::make_shared<job_series>(core_, labels_, ended_, x);
  }

  std::shared_ptr<group_metrics> group(const time_buckets& x) override {
    return make_group_series(core_, labels_, x);
  }

  void happened(runner_event x) override {
    switch (x) {
      case runner_event::fed:
        count("gitlab_runner_worker_feeds_total", labels_);
        break;
      case runner_event::unhealthy:
        count("gitlab_runner_worker_health_check_failures_total", labels_);
        break;
      case runner_event::requests_full:
        count("gitlab_runner_worker_feed_failures_total", labels_);
        count("gitlab_runner_request_concurrency_exceeded_total", short_);
        break;
      case runner_event::no_capacity:
        count("gitlab_runner_worker_processing_failures_total",
              with(labels_, "failure_type", "no_free_executor"));
        break;
      case runner_event::job_refused:
        job_series::count_failure(*core_, labels_, "runner_system_failure",
                                  "other");
        break;
      case runner_event::config_saved:
        count("gitlab_runner_configuration_saved_total", {});
        break;
      case runner_event::config_saving_error:
        count("gitlab_runner_configuration_saving_error_total", {});
        break;
    }
  }

  void job_failed(int64_t job, const std::string& reason) override {
    if (!ended_->remove(job))
      job_series::count_failure(*core_, labels_, reason, "job_failure");
  }

  void job_over(int64_t job) override {
    ended_->remove(job);
  }

  void requests(int out, int allowed) override {
    requests_are(out, allowed);
  }

  void called(api_endpoint what, int status,
              std::chrono::nanoseconds took) override {
    auto names = names_of(what);
    count("gitlab_runner_api_request_retries_total",
          {{"path", api_path_ + names.path}, {"method", names.method}});
    auto answered = status >= 100 && status <= 599;
    if (!answered && what == api_endpoint::patch_trace)
      return; // as GitLab Runner
    auto labels = short_;
    labels["endpoint"] = names.endpoint;
    labels["method"] = lower(names.method);
    count("gitlab_runner_api_request_statuses_total",
          with(labels, "status", std::to_string(answered ? status : -1)));
    core_
      ->histogram(
        "gitlab_runner_api_request_duration_seconds",
        with(labels, "status_class",
             answered ? fmt::format("{}xx", status / 100) : "unknown"))
      .Observe(seconds(took));
  }

  void slot_released() override {
    count("fleeting_taskscaler_task_operations_total",
          with(labels_, "operation", "release"));
  }

  void called(provider_call x, bool worked) override {
    count("muster_provider_calls_total",
          with(with(labels_, "call", name_of(x)), "result",
               worked ? "done" : "failed"));
  }

  std::shared_ptr<queue_metrics> queue(told_queue which) override {
    return std::make_shared<queue_share>(core_, which, labels_);
  }

private:
  void bounds_are(int limit, int request_concurrency) {
    std::lock_guard guard{mutex_};
    limit_.set(limit);
    allowed_max_.set(request_concurrency);
  }

  void requests_are(int out, int allowed) {
    std::lock_guard guard{mutex_};
    out_.set(out);
    allowed_.set(allowed);
    used_.set(allowed);
  }

  void count(std::string_view name, const metric_labels& labels) {
    core_->counter(name, labels).Increment();
  }

  const std::shared_ptr<metrics_core> core_;
  const metric_labels labels_;
  const metric_labels short_;
  const std::string api_path_;
  const std::shared_ptr<ended_jobs> ended_ = std::make_shared<ended_jobs>();
  std::mutex mutex_; ///< for what follows
  gauge_share limit_;
  gauge_share allowed_max_;
  gauge_share out_;
  gauge_share allowed_;
  gauge_share used_;
};

} // namespace

std::string known_stage(std::string_view name) {
  constexpr std::array<std::string_view, 16> known{
    "resolve_secrets",
    "prepare_executor",
    "prepare_script",
    "get_sources",
    "clear_worktree",
    "restore_cache",
    "download_artifacts",
    "step_script",
    "step_release",
    "after_script",
    "archive_cache",
    "archive_cache_on_failure",
    "upload_artifacts_on_success",
    "upload_artifacts_on_failure",
    "cleanup_file_variables",
    "step_run",
  };
  auto found = std::ranges::find(known, name);
  return std::string{found == known.end() ? "step_other" : *found};
}

std::shared_ptr<runner_metrics>
make_runner_series(std::shared_ptr<metrics_core> core, const runner_facts& x) {
  return std::make_shared<runner_series>(std::move(core), x);
}

} // namespace muster
