#include "actors/metrics/series.hpp"

#include <algorithm>
#include <cassert>

namespace muster {

namespace {

using buckets = std::vector<double>;

const buckets job_buckets{30,   60,   300,   600,   1800,
                          3600, 7200, 10800, 18000, 36000};
const buckets wait_buckets{1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600};
const buckets call_buckets{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
const buckets operation_buckets{1, 5, 10, 15, 30, 45, 60, 90, 120, 180};
const buckets life_buckets{60, 300, 600, 900, 1800, 3600, 21600, 43200, 86400};

constexpr std::string_view r = "runner, runner_name, system_id";

} // namespace

const std::vector<series_info>& known_series() {
  using enum series_type;
  static const std::vector<series_info> all{
    // Jobs.
    {"gitlab_runner_jobs", gauge,
     "runner, runner_name, system_id, state, stage, executor_stage",
     "Jobs that are there, by what they are doing"},
    {"gitlab_runner_jobs_total", counter, r, "Jobs accepted"},
    {"gitlab_runner_failed_jobs_total", counter,
     "runner, runner_name, failure_reason, mode",
     "Jobs that failed, by muster's own reason"},
    {"gitlab_runner_job_execution_mode_total", counter, "mode, executor",
     "Jobs begun, by the way in which they are carried out"},
    {"gitlab_runner_job_duration_seconds", histogram,
     "runner, runner_name, system_id, mode", "How long jobs took",
     &job_buckets},
    {"gitlab_runner_job_queue_duration_seconds", histogram,
     "runner, runner_name, system_id, project_jobs_running",
     "How long jobs had waited in GitLab, as it says", &wait_buckets},
    {"gitlab_runner_job_queue_size", gauge, r,
     "Length of GitLab's queue when it gave the last job"},
    {"gitlab_runner_job_queue_depth", gauge, r,
     "Place of the last job in GitLab's queue"},
    {"gitlab_runner_job_stage_duration_seconds", histogram,
     "runner, runner_name, system_id, stage",
     "How long the stages of jobs took that have the feature flag "
     "FF_EXPORT_HIGH_CARDINALITY_METRICS",
     &wait_buckets},
    // Runners.
    {"gitlab_runner_concurrent", gauge, "", "The setting concurrent"},
    {"gitlab_runner_limit", gauge, r, "The setting limit"},
    {"gitlab_runner_worker_slots_number", gauge, "",
     "Jobs that may run at a time"},
    {"gitlab_runner_worker_slot_operations_total", counter, "operation",
     "Changes of the number of jobs that may run at a time"},
    {"gitlab_runner_worker_feeds_total", counter, r,
     "How often the runner was ready to ask for a job"},
    {"gitlab_runner_worker_feed_failures_total", counter, r,
     "How often it was ready and could not ask: as many requests as allowed "
     "were out"},
    {"gitlab_runner_worker_processing_failures_total", counter,
     "runner, runner_name, system_id, failure_type",
     "How often an attempt to get a job and run it failed"},
    {"gitlab_runner_worker_health_check_failures_total", counter, r,
     "How often the runner was left out since GitLab refuses it"},
    {"gitlab_runner_request_concurrency", gauge, "runner, system_id",
     "Requests for a job that are out"},
    {"gitlab_runner_request_concurrency_exceeded_total", counter,
     "runner, system_id",
     "How often no further request was made since as many as allowed were "
     "out"},
    {"gitlab_runner_request_concurrency_hard_limit", gauge, "runner, system_id",
     "The setting request_concurrency"},
    {"gitlab_runner_request_concurrency_adaptive_limit", gauge,
     "runner, system_id", "Requests that GitLab's answers let appear sensible"},
    {"gitlab_runner_request_concurrency_used_limit", gauge, "runner, system_id",
     "Requests that may be out at a time"},
    // Calls of GitLab's API.
    {"gitlab_runner_api_request_statuses_total", counter,
     "runner, system_id, endpoint, status, method",
     "Answers of GitLab; the status -1 is none"},
    {"gitlab_runner_api_request_duration_seconds", histogram,
     "runner, system_id, endpoint, status_class, method",
     "How long GitLab took to answer", &call_buckets},
    {"gitlab_runner_api_request_retries_total", counter, "path, method",
     "Requests to GitLab, first attempts among them"},
    // The process.
    {"gitlab_runner_errors_total", counter, "level", "Lines logged, by level"},
    {"gitlab_runner_version_info", gauge,
     "name, version, revision, branch, go_version, built_at, os, architecture",
     "What runs; always 1"},
    {"gitlab_runner_process_state_info", gauge, "state",
     "The state that the process is in; always 1"},
    {"gitlab_runner_configuration_loaded_total", counter, "",
     "How often the configuration was read"},
    {"gitlab_runner_configuration_loading_error_total", counter, "",
     "How often that failed"},
    {"gitlab_runner_configuration_saved_total", counter, "",
     "How often the configuration was written"},
    {"gitlab_runner_configuration_saving_error_total", counter, "",
     "How often that failed"},
    {"process_cpu_seconds_total", counter, "",
     "CPU time used, user and system"},
    {"process_resident_memory_bytes", gauge, "", "Resident memory"},
    {"process_virtual_memory_bytes", gauge, "", "Virtual memory"},
    {"process_open_fds", gauge, "", "Open file descriptors"},
    {"process_max_fds", gauge, "", "File descriptors allowed"},
    {"process_start_time_seconds", gauge, "",
     "Start of the process, Unix time"},
    // Instances.
    {"fleeting_provisioner_max_instances", gauge, r,
     "Instances that the group may have; 0: no limit"},
    {"fleeting_provisioner_instances", gauge,
     "runner, runner_name, system_id, state", "Instances, by state"},
    {"fleeting_provisioner_instance_operations_total", counter,
     "runner, runner_name, system_id, operation",
     "Instances that appeared and went away"},
    {"fleeting_provisioner_internal_operations_total", counter,
     "runner, runner_name, system_id, operation", "Calls to the provider"},
    {"muster_provider_calls_total", counter,
     "runner, runner_name, system_id, call, result",
     "All calls to the provider"},
    {"fleeting_provisioner_missed_updates_total", counter, r,
     "How often a listing left out an instance"},
    {"fleeting_provisioner_instance_creation_time_seconds", histogram, r,
     "From the request to the first listing with the instance",
     &operation_buckets},
    {"fleeting_provisioner_instance_is_running_time_seconds", histogram, r,
     "From the request to the first listing that says running",
     &operation_buckets},
    {"fleeting_provisioner_instance_deletion_time_seconds", histogram, r,
     "From the accepted deletion to the first listing without the instance",
     &operation_buckets},
    {"fleeting_provisioner_instance_life_duration_seconds", histogram, r,
     "From the first listing with the instance to the first without",
     &life_buckets},
    // Slots.
    {"fleeting_taskscaler_tasks", gauge,
     "runner, runner_name, system_id, state", "Slots and promises, by state"},
    {"fleeting_taskscaler_task_operations_total", counter,
     "runner, runner_name, system_id, operation",
     "What was done with slots and promises"},
    {"fleeting_taskscaler_scale_operations_total", counter,
     "runner, runner_name, system_id, operation",
     "Decisions to have more or fewer instances"},
    {"fleeting_taskscaler_desired_instances", gauge, r,
     "Instances missing; below zero: too many"},
    {"fleeting_taskscaler_max_tasks_per_instance", gauge, r,
     "The setting capacity_per_instance"},
    {"fleeting_taskscaler_max_use_count_per_instance", gauge, r,
     "The setting max_use_count"},
    {"fleeting_taskscaler_task_instance_readiness_time_seconds", histogram, r,
     "From the first listing that says running until jobs can be given to the "
     "instance",
     &operation_buckets},
    // Our own.
    {"muster_scaling_decisions_total", counter,
     "runner, runner_name, system_id, rule",
     "Decisions about instances and promises, by their rule"},
    {"muster_queue_depth", gauge, "queue, runner, runner_name, system_id",
     "What waits in a queue"},
    {"muster_queue_high_water", gauge, "queue, runner, runner_name, system_id",
     "The most that ever waited in a queue since the start"},
    {"muster_recorder_up", gauge, "",
     "Whether the flight recorder writes what is recorded"},
    {"muster_recorder_records_total", counter, "",
     "Records that the flight recorder has taken"},
    {"muster_recorder_dropped_records_total", counter, "",
     "Records that were lost: no room in memory, or none on disk"},
    {"muster_recorder_bytes_total", counter, "",
     "What the flight recorder has written"},
  };
  return all;
}

const series_info& series_named(std::string_view name) {
  auto found = std::ranges::find(known_series(), name, &series_info::name);
  assert(found != known_series().end()
         && "a series that docs/metrics.md lacks");
  return *found;
}

} // namespace muster
