#include "config/keys.hpp"

#include <array>

namespace muster {

namespace {

using enum key_type;
using enum key_status;

std::vector<key_info> global_keys() {
  return {
    {"concurrent", integer, acted_on, "jobs at a time, over all runners"},
    {"check_interval", integer, acted_on, "seconds of a polling cycle"},
    {"log_level", string, acted_on, "the least important lines shown"},
    {"log_format", string, acted_on, "runner, text or json"},
    {"listen_address", string, acted_on, "address of the metrics server"},
    {"shutdown_timeout", integer, acted_on, "seconds of a forceful shutdown"},
    {"connection_max_age", duration, acted_on, "age of idle HTTP connections"},
    {"sentry_dsn", string, ignored, "error tracking"},
    {"labels", string_map, acted_on, "labels of all runners"},
    {"user", string, ignored, "user of the shell executor"},
    {"machine", free_table, ignored, "docker+machine"},
    {"experimental", section, not_yet, "experiments"},
    {"experimental.usage_logger", section, not_yet, "log of usage"},
    {"experimental.usage_logger.enabled", boolean, not_yet, "log usage"},
    {"experimental.usage_logger.writers", string_list, not_yet, "writers"},
    {"experimental.usage_logger.labels", string_map, not_yet, "more labels"},
    {"experimental.usage_logger.logrotate", section, not_yet, "files"},
    {"experimental.usage_logger.logrotate.log_dir", string, not_yet, "folder"},
    {"experimental.usage_logger.logrotate.max_backup_files", integer, not_yet,
     "files kept"},
    {"experimental.usage_logger.logrotate.max_rotation_age", duration, not_yet,
     "age of a file"},
    {"experimental.usage_logger.logrotate.labels", string_map, not_yet,
     "more labels"},
    {"experimental.usage_logger.snowplow_billing", free_table, not_yet,
     "billing events"},
    {"session_server", section, not_yet, "interactive terminals"},
    {"session_server.listen_address", string, not_yet, "address to bind"},
    {"session_server.advertise_address", string, not_yet,
     "address told to GitLab"},
    {"session_server.session_timeout", integer, not_yet,
     "seconds that a terminal may hold a finished job"},
    {"muster", section, acted_on, "what GitLab Runner does not have"},
    {"muster.workers", integer, acted_on, "threads for deciding actors"},
    {"muster.state_dir", string, acted_on, "folder of the journal"},
    {"muster.helper_path", string, acted_on, "muster-helper for instances"},
    {"muster.recorder", section, acted_on, "the flight recorder"},
    {"muster.recorder.enabled", boolean, acted_on, "records"},
    {"muster.recorder.dir", string, acted_on, "folder of the recordings"},
    {"muster.recorder.max_size", string, acted_on, "of all recordings"},
    {"muster.recorder.max_age", duration, acted_on, "of a recording"},
    {"runners", section_list, acted_on, "the runners"},
  };
}

std::vector<key_info> runner_keys() {
  return {
    {"runners.name", string, acted_on, "shown in logs"},
    {"runners.url", string, acted_on, "GitLab's URL"},
    {"runners.id", integer, acted_on, "GitLab's number of the runner"},
    {"runners.token", string, acted_on, "authentication token"},
    {"runners.token_obtained_at", datetime, acted_on, "for token rotation"},
    {"runners.token_expires_at", datetime, acted_on, "for token rotation"},
    {"runners.tls-ca-file", string, acted_on, "more trusted certificates"},
    {"runners.tls-cert-file", string, acted_on, "client certificate"},
    {"runners.tls-key-file", string, acted_on, "key of the certificate"},
    {"runners.limit", integer, acted_on, "jobs at a time of this runner"},
    {"runners.request_concurrency", integer, acted_on, "requests in flight"},
    {"runners.strict_check_interval", boolean, acted_on, "no re-poll at once"},
    {"runners.unhealthy_requests_limit", integer, acted_on,
     "failed requests until the runner pauses"},
    {"runners.unhealthy_interval", duration, acted_on, "length of that pause"},
    {"runners.job_status_final_update_retry_limit", integer, acted_on,
     "tries of the final update"},
    {"runners.output_limit", integer, acted_on, "kilobytes of a job's log"},
    {"runners.labels", string_map, acted_on, "labels told to GitLab"},
    {"runners.executor", string, acted_on, "instance or docker-autoscaler"},
    {"runners.shell", string, acted_on, "shell of the scripts"},
    {"runners.builds_dir", string, acted_on, "folder of the builds"},
    {"runners.cache_dir", string, acted_on, "folder of local caches"},
    {"runners.clone_url", string, acted_on, "replaces the repository's host"},
    {"runners.environment", string_list, acted_on, "variables of all jobs"},
    {"runners.pre_get_sources_script", string, acted_on, "before git"},
    {"runners.post_get_sources_script", string, acted_on, "after git"},
    {"runners.pre_build_script", string, acted_on, "before the script"},
    {"runners.post_build_script", string, acted_on, "after the script"},
    {"runners.prepare_timeout", duration, acted_on, "limit of preparation"},
    {"runners.get_sources_timeout", duration, acted_on, "limit of git"},
    {"runners.debug_trace_disabled", boolean, acted_on, "no CI_DEBUG_TRACE"},
    {"runners.safe_directory_checkout", boolean, acted_on,
     "git's safe.directory"},
    {"runners.clean_git_config", boolean, acted_on, "removes git's settings"},
    {"runners.proxy_exec", boolean, not_yet, "experimental"},
    {"runners.use_slot_cgroups", boolean, acted_on, "a cgroup for each slot"},
    {"runners.slot_cgroup_template", string, acted_on, "name of that cgroup"},
    {"runners.step_runner_image", string, not_yet, "image of step-runner"},
    {"runners.custom_build_dir", section, acted_on, "GIT_CLONE_PATH"},
    {"runners.custom_build_dir.enabled", boolean, acted_on, "allows it"},
    {"runners.artifact", section, acted_on, "artifact uploads"},
    {"runners.artifact.upload_timeout", duration, acted_on, "of an upload"},
    {"runners.artifact.response_header_timeout", duration, acted_on,
     "of an answer"},
    {"runners.monitoring", section, not_yet, "metrics of waiting"},
    {"runners.monitoring.job_queuing_durations", section_list, not_yet,
     "acceptable waiting"},
    {"runners.monitoring.job_queuing_durations.periods", string_list, not_yet,
     "when it applies"},
    {"runners.monitoring.job_queuing_durations.timezone", string, not_yet,
     "zone of the periods"},
    {"runners.monitoring.job_queuing_durations.threshold", duration, not_yet,
     "longest waiting"},
    {"runners.monitoring.job_queuing_durations.jobs_running_for_project",
     string, not_yet, "pattern of a count"},
    {"runners.experimental", section, not_yet, "experiments"},
    {"runners.experimental.boot_verify", section, not_yet, "job at start"},
    {"runners.experimental.boot_verify.enabled", boolean, not_yet, "runs it"},
    {"runners.experimental.boot_verify.timeout", duration, not_yet, "of it"},
    {"runners.experimental.boot_verify.acquire_min_backoff", duration, not_yet,
     "shortest pause"},
    {"runners.experimental.boot_verify.acquire_max_backoff", duration, not_yet,
     "longest pause"},
    {"runners.feature_flags", boolean_map, acted_on, "feature flags"},
    {"runners.referees", free_table, ignored, "metrics of other executors"},
    {"runners.ssh", free_table, ignored, "ssh executor"},
    {"runners.machine", free_table, ignored, "docker+machine executor"},
    {"runners.kubernetes", free_table, ignored, "kubernetes executor"},
    {"runners.custom", free_table, ignored, "custom executor"},
    {"runners.parallels", free_table, ignored, "parallels executor"},
    {"runners.virtualbox", free_table, ignored, "virtualbox executor"},
    {"runners.muster", section, acted_on, "what GitLab Runner does not have"},
    {"runners.muster.key_passphrase", string, acted_on,
     "opens the file of key_path"},
    {"runners.muster.helper_image_version", string, acted_on,
     "version of GitLab's helper image"},
    {"runners.muster.helper_image_archive", string, acted_on,
     "file of a helper image that instances are given"},
    {"runners.instance", section, acted_on, "instance executor"},
    {"runners.instance.allowed_images", string_list, not_yet,
     "images of virtual machines"},
    {"runners.instance.use_common_build_dir", boolean, acted_on,
     "shorter build folder"},
  };
}

std::vector<key_info> autoscaler_keys() {
  return {
    {"runners.autoscaler", section, acted_on, "the group of instances"},
    {"runners.autoscaler.plugin", string, acted_on, "what makes instances"},
    {"runners.autoscaler.plugin_config", free_table, acted_on,
     "settings of the plugin"},
    {"runners.autoscaler.capacity_per_instance", integer, acted_on,
     "jobs at a time on an instance"},
    {"runners.autoscaler.max_use_count", integer, acted_on,
     "jobs until an instance is replaced"},
    {"runners.autoscaler.max_instances", integer, acted_on, "most instances"},
    {"runners.autoscaler.instance_ready_command", string, acted_on,
     "tells whether an instance is ready"},
    {"runners.autoscaler.instance_acquire_timeout", duration, acted_on,
     "longest wait for an instance"},
    {"runners.autoscaler.update_interval", duration, acted_on,
     "between listings"},
    {"runners.autoscaler.update_interval_when_expecting", duration, acted_on,
     "between listings while a change is due"},
    {"runners.autoscaler.deletion_retry_interval", duration, acted_on,
     "until a deletion is asked for again"},
    {"runners.autoscaler.shutdown_deletion_interval", duration, acted_on,
     "the same at shutdown"},
    {"runners.autoscaler.shutdown_deletion_retries", integer, acted_on,
     "how often at shutdown"},
    {"runners.autoscaler.failure_threshold", integer, acted_on,
     "failed health checks until replacement"},
    {"runners.autoscaler.delete_instances_on_shutdown", boolean, acted_on,
     "leaves no instance behind"},
    {"runners.autoscaler.reservation_throttling", boolean, acted_on,
     "no more jobs than can be served while instances fail"},
    {"runners.autoscaler.log_internal_ip", boolean, acted_on,
     "address in the job's log"},
    {"runners.autoscaler.log_external_ip", boolean, acted_on,
     "address in the job's log"},
    {"runners.autoscaler.instance_operation_time_buckets", number_list,
     acted_on, "buckets of metrics"},
    {"runners.autoscaler.instance_creation_time_buckets", number_list, acted_on,
     "buckets of metrics"},
    {"runners.autoscaler.instance_is_running_time_buckets", number_list,
     acted_on, "buckets of metrics"},
    {"runners.autoscaler.instance_deletion_time_buckets", number_list, acted_on,
     "buckets of metrics"},
    {"runners.autoscaler.instance_readiness_time_buckets", number_list,
     acted_on, "buckets of metrics"},
    {"runners.autoscaler.instance_life_duration_buckets", number_list, acted_on,
     "buckets of metrics"},
    {"runners.autoscaler.scale_throttle", section, acted_on,
     "speed of growing"},
    {"runners.autoscaler.scale_throttle.limit", integer, acted_on,
     "instances per second"},
    {"runners.autoscaler.scale_throttle.burst", integer, acted_on,
     "instances at once"},
    {"runners.autoscaler.state_storage", section, acted_on,
     "state of instances on disk"},
    {"runners.autoscaler.state_storage.enabled", boolean, acted_on,
     "its folder is the one below"},
    {"runners.autoscaler.state_storage.dir", string, acted_on,
     "folder of the journal"},
    {"runners.autoscaler.state_storage.keep_instance_with_acquisitions",
     boolean, acted_on, "keeps instances with jobs"},
    {"runners.autoscaler.policy", section_list, acted_on, "idle capacity"},
    {"runners.autoscaler.policy.periods", string_list, acted_on,
     "when it is in force"},
    {"runners.autoscaler.policy.timezone", string, acted_on,
     "zone of the periods"},
    {"runners.autoscaler.policy.idle_count", integer, acted_on,
     "job capacity kept free"},
    {"runners.autoscaler.policy.idle_time", duration, acted_on,
     "idle age before removal"},
    {"runners.autoscaler.policy.scale_factor", number, acted_on,
     "more idle capacity, by use"},
    {"runners.autoscaler.policy.scale_factor_limit", integer, acted_on,
     "most of that"},
    {"runners.autoscaler.policy.preemptive_mode", boolean, acted_on,
     "asks for jobs only with an instance ready"},
    {"runners.autoscaler.vm_isolation", section, not_yet,
     "virtual machines on instances"},
    {"runners.autoscaler.vm_isolation.enabled", boolean, refused, "uses them"},
    {"runners.autoscaler.vm_isolation.nesting_host", string, not_yet,
     "address of their daemon"},
    {"runners.autoscaler.vm_isolation.nesting_config", free_table, not_yet,
     "settings of their daemon"},
    {"runners.autoscaler.vm_isolation.image", string, not_yet, "their image"},
  };
}

struct connector_row {
  std::string_view own;     ///< under `runners.autoscaler`
  std::string_view nesting; ///< the same under `vm_isolation`
  key_type type;
  key_status status; ///< of `own`
  std::string_view meaning;
};

#define MUSTER_CONNECTOR_ROW(name, type, status, meaning)                      \
  connector_row {                                                              \
    "runners.autoscaler.connector_config" name,                                \
      "runners.autoscaler.vm_isolation.connector_config" name, type, status,   \
      meaning                                                                  \
  }

std::vector<key_info> connector_keys() {
  constexpr std::array rows{
    MUSTER_CONNECTOR_ROW("", section, acted_on, "how to reach instances"),
    MUSTER_CONNECTOR_ROW(".os", string, acted_on, "operating system"),
    MUSTER_CONNECTOR_ROW(".arch", string, acted_on, "architecture"),
    MUSTER_CONNECTOR_ROW(".protocol", string, acted_on, "ssh or winrm"),
    MUSTER_CONNECTOR_ROW(".protocol_port", integer, acted_on, "port"),
    MUSTER_CONNECTOR_ROW(".username", string, acted_on, "login name"),
    MUSTER_CONNECTOR_ROW(".password", string, acted_on, "password"),
    MUSTER_CONNECTOR_ROW(".key_path", string, acted_on,
                         "file of the private key"),
    MUSTER_CONNECTOR_ROW(".use_static_credentials", boolean, acted_on,
                         "no credentials of the cloud"),
    MUSTER_CONNECTOR_ROW(".keepalive", duration, acted_on,
                         "between keep-alives"),
    MUSTER_CONNECTOR_ROW(".timeout", duration, acted_on,
                         "until an instance is ready"),
    MUSTER_CONNECTOR_ROW(".use_external_addr", boolean, acted_on,
                         "the external address first"),
  };
  std::vector<key_info> keys;
  for (const auto& row : rows)
    keys.push_back({row.own, row.type, row.status, row.meaning});
  for (const auto& row : rows)
    keys.push_back({row.nesting, row.type, not_yet, row.meaning});
  return keys;
}

#undef MUSTER_CONNECTOR_ROW

} // namespace

std::vector<key_info> general_keys() {
  std::vector<key_info> keys;
  for (auto part :
       {global_keys(), runner_keys(), autoscaler_keys(), connector_keys()})
    keys.insert(keys.end(), part.begin(), part.end());
  return keys;
}

} // namespace muster
