#include "actors/metrics/series.hpp"

#include <doctest/doctest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace muster;

namespace {

const std::vector<double> none;
const std::vector<double> calls{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
const std::vector<double> waits{1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600};
const std::vector<double> jobs{30,   60,   300,   600,   1800,
                               3600, 7200, 10800, 18000, 36000};
const std::vector<double> b1{1, 5, 10, 15, 30, 45, 60, 90, 120, 180};
const std::vector<double> b2{60,   300,   600,   900,  1800,
                             3600, 21600, 43200, 86400};

/// As GitLab Runner has them (reference/cli, section 6; reference/autoscaling,
/// section 17). `R` stands for runner, runner_name, system_id.
struct row {
  const char* name;
  char type; ///< Gauge, Counter, Histogram
  const char* labels;
  const std::vector<double>& buckets = none;
};

const row gitlab_rows[] = {
  {"gitlab_runner_jobs", 'G', "R, state, stage, executor_stage"},
  {"gitlab_runner_jobs_total", 'C', "R"},
  {"gitlab_runner_failed_jobs_total", 'C',
   "runner, runner_name, failure_reason, mode"},
  {"gitlab_runner_job_execution_mode_total", 'C', "mode, executor"},
  {"gitlab_runner_job_duration_seconds", 'H', "R, mode", jobs},
  {"gitlab_runner_job_queue_duration_seconds", 'H', "R, project_jobs_running",
   waits},
  {"gitlab_runner_job_queue_size", 'G', "R"},
  {"gitlab_runner_job_queue_depth", 'G', "R"},
  {"gitlab_runner_job_stage_duration_seconds", 'H', "R, stage", waits},
  {"gitlab_runner_concurrent", 'G', ""},
  {"gitlab_runner_limit", 'G', "R"},
  {"gitlab_runner_request_concurrency", 'G', "runner, system_id"},
  {"gitlab_runner_request_concurrency_exceeded_total", 'C',
   "runner, system_id"},
  {"gitlab_runner_request_concurrency_hard_limit", 'G', "runner, system_id"},
  {"gitlab_runner_request_concurrency_adaptive_limit", 'G',
   "runner, system_id"},
  {"gitlab_runner_request_concurrency_used_limit", 'G', "runner, system_id"},
  {"gitlab_runner_worker_slots_number", 'G', ""},
  {"gitlab_runner_worker_slot_operations_total", 'C', "operation"},
  {"gitlab_runner_worker_feeds_total", 'C', "R"},
  {"gitlab_runner_worker_feed_failures_total", 'C', "R"},
  {"gitlab_runner_worker_processing_failures_total", 'C', "R, failure_type"},
  {"gitlab_runner_worker_health_check_failures_total", 'C', "R"},
  {"gitlab_runner_api_request_statuses_total", 'C',
   "runner, system_id, endpoint, status, method"},
  {"gitlab_runner_api_request_duration_seconds", 'H',
   "runner, system_id, endpoint, status_class, method", calls},
  {"gitlab_runner_api_request_retries_total", 'C', "path, method"},
  {"gitlab_runner_errors_total", 'C', "level"},
  {"gitlab_runner_version_info", 'G',
   "name, version, revision, branch, go_version, built_at, os, architecture"},
  {"gitlab_runner_process_state_info", 'G', "state"},
  {"gitlab_runner_configuration_loaded_total", 'C', ""},
  {"gitlab_runner_configuration_loading_error_total", 'C', ""},
  {"gitlab_runner_configuration_saved_total", 'C', ""},
  {"gitlab_runner_configuration_saving_error_total", 'C', ""},
  {"process_cpu_seconds_total", 'C', ""},
  {"process_resident_memory_bytes", 'G', ""},
  {"process_virtual_memory_bytes", 'G', ""},
  {"process_open_fds", 'G', ""},
  {"process_max_fds", 'G', ""},
  {"process_start_time_seconds", 'G', ""},
  {"fleeting_provisioner_max_instances", 'G', "R"},
  {"fleeting_provisioner_instances", 'G', "R, state"},
  {"fleeting_provisioner_internal_operations_total", 'C', "R, operation"},
  {"fleeting_provisioner_instance_operations_total", 'C', "R, operation"},
  {"fleeting_provisioner_missed_updates_total", 'C', "R"},
  {"fleeting_provisioner_instance_creation_time_seconds", 'H', "R", b1},
  {"fleeting_provisioner_instance_is_running_time_seconds", 'H', "R", b1},
  {"fleeting_provisioner_instance_deletion_time_seconds", 'H', "R", b1},
  {"fleeting_provisioner_instance_life_duration_seconds", 'H', "R", b2},
  {"fleeting_taskscaler_max_tasks_per_instance", 'G', "R"},
  {"fleeting_taskscaler_max_use_count_per_instance", 'G', "R"},
  {"fleeting_taskscaler_tasks", 'G', "R, state"},
  {"fleeting_taskscaler_desired_instances", 'G', "R"},
  {"fleeting_taskscaler_scale_operations_total", 'C', "R, operation"},
  {"fleeting_taskscaler_task_operations_total", 'C', "R, operation"},
  {"fleeting_taskscaler_task_instance_readiness_time_seconds", 'H', "R", b1},
};

std::string spelt_out(std::string labels) {
  if (labels.starts_with('R'))
    labels.replace(0, 1, "runner, runner_name, system_id");
  return labels;
}

} // namespace

TEST_CASE("series have GitLab's names, labels and buckets") {
  for (const auto& x : gitlab_rows) {
    CAPTURE(x.name);
    const auto& have = series_named(x.name);
    auto type = have.type == series_type::gauge     ? 'G'
                : have.type == series_type::counter ? 'C'
                                                    : 'H';
    CHECK_EQ(type, x.type);
    CHECK_EQ(std::string{have.labels}, spelt_out(x.labels));
    CHECK_EQ(have.buckets == nullptr ? none : *have.buckets, x.buckets);
  }
}

TEST_CASE("a series that GitLab does not have bears our name") {
  std::set<std::string> theirs;
  for (const auto& x : gitlab_rows)
    theirs.insert(x.name);
  std::set<std::string_view> seen;
  for (const auto& x : known_series()) {
    CAPTURE(std::string{x.name});
    CHECK(seen.insert(x.name).second);
    CHECK(!x.help.empty());
    CHECK_EQ(!theirs.contains(std::string{x.name}),
             x.name.starts_with("muster_"));
    CHECK_EQ(x.type == series_type::counter, x.name.ends_with("_total"));
    CHECK_EQ(x.type == series_type::histogram, x.buckets != nullptr);
  }
}
