#include "config/key_effects.hpp"

#include "config/duration.hpp"
#include "config/keys.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <optional>
#include <type_traits>

namespace muster {

namespace {

using enum change_effect;

// Values as text. One that is not set has none.

std::string text(const std::string& x) {
  return x.empty() ? "none" : fmt::format("\"{}\"", x);
}

std::string text(const secret& x) {
  return x.reveal();
}

std::string text(bool x) {
  return x ? "true" : "false";
}

std::string text(milliseconds x) {
  return format_duration(x);
}

template <class T>
requires std::is_arithmetic_v<T> std::string text(T x) {
  return fmt::format("{}", x);
}

std::string text(const std::vector<std::string>& x) {
  std::string out;
  for (const auto& one : x)
    out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", one);
  return "[" + out + "]";
}

std::string text(const std::vector<double>& x) {
  return fmt::format("[{}]", fmt::join(x, ", "));
}

template <class T>
std::string text(const std::optional<T>& x) {
  return x ? text(*x) : "none";
}

template <class T>
std::string text(const std::map<std::string, T>& x) {
  std::string out;
  for (const auto& [name, value] : x)
    out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", name, text(value));
  return "{" + out + "}";
}

std::string type_name(cache_type x) {
  switch (x) {
    case cache_type::s3:
      return "s3";
    case cache_type::gcs:
      return "gcs";
    case cache_type::azure:
      return "azure";
    case cache_type::local:
      break;
  }
  return "none";
}

const autoscaler_config& group(const runner_config& x) {
  static const autoscaler_config none;
  return x.autoscaler ? *x.autoscaler : none;
}

constexpr effect_row<config> of_file[] = {
  {"concurrent", live, [](const config& x) { return text(x.concurrent); }},
  {"check_interval", live,
   [](const config& x) { return text(x.check_interval); }},
  {"log_level", live, [](const config& x) { return text(x.log_level); }},
  {"log_format", live, [](const config& x) { return text(x.log_format); }},
  {"listen_address", restart,
   [](const config& x) { return text(x.listen_address); }},
  {"shutdown_timeout", live,
   [](const config& x) { return text(x.shutdown_timeout); }},
  {"connection_max_age", live,
   [](const config& x) { return text(x.connection_max_age); }},
  {"labels", live},
  {"muster.workers", restart,
   [](const config& x) { return text(x.muster.workers); }},
  {"muster.state_dir", restart,
   [](const config& x) { return text(x.muster.state_dir); }},
  {"muster.helper_path", restart,
   [](const config& x) { return text(x.muster.helper_path); }},
  {"muster.recorder.enabled", restart,
   [](const config& x) { return text(x.muster.recorder.enabled); }},
  {"muster.recorder.dir", restart,
   [](const config& x) { return text(x.muster.recorder.dir); }},
  {"muster.recorder.max_size", restart,
   [](const config& x) { return text(x.muster.recorder.size_max); }},
  {"muster.recorder.max_age", restart,
   [](const config& x) { return text(x.muster.recorder.age_max); }},
};

// What a job's cache is reached with stands in the other rows, once it was
// read: kinds of authentication and files of credentials have none.
constexpr effect_row<runner_config> of_runner[] = {
  {"runners.name", live, [](const runner_config& x) { return text(x.name); }},
  {"runners.url", live, [](const runner_config& x) { return text(x.url); }},
  {"runners.id", live, [](const runner_config& x) { return text(x.id); }},
  {"runners.token", live, [](const runner_config& x) { return text(x.token); },
   true},
  {"runners.token_obtained_at", live,
   [](const runner_config& x) { return text(x.token_obtained_at); }},
  {"runners.token_expires_at", live,
   [](const runner_config& x) { return text(x.token_expires_at); }},
  {"runners.tls-ca-file", live,
   [](const runner_config& x) { return text(x.tls_ca_file); }},
  {"runners.tls-cert-file", live,
   [](const runner_config& x) { return text(x.tls_cert_file); }},
  {"runners.tls-key-file", live,
   [](const runner_config& x) { return text(x.tls_key_file); }},
  {"runners.limit", live, [](const runner_config& x) { return text(x.limit); }},
  {"runners.request_concurrency", live,
   [](const runner_config& x) { return text(x.request_concurrency); }},
  {"runners.strict_check_interval", live,
   [](const runner_config& x) { return text(x.strict_check_interval); }},
  {"runners.unhealthy_requests_limit", live,
   [](const runner_config& x) { return text(x.unhealthy_requests_limit); }},
  {"runners.unhealthy_interval", live,
   [](const runner_config& x) { return text(x.unhealthy_interval); }},
  {"runners.job_status_final_update_retry_limit", jobs,
   [](const runner_config& x) { return text(x.final_update_retry_limit); }},
  {"runners.output_limit", jobs,
   [](const runner_config& x) { return text(x.output_limit_bytes / 1024); }},
  {"runners.labels", live,
   [](const runner_config& x) { return text(x.labels); }},
  {"runners.executor", jobs,
   [](const runner_config& x) { return text(x.executor); }},
  {"runners.shell", jobs, [](const runner_config& x) { return text(x.shell); }},
  {"runners.builds_dir", jobs,
   [](const runner_config& x) { return text(x.builds_dir); }},
  {"runners.cache_dir", jobs,
   [](const runner_config& x) { return text(x.cache_dir); }},
  {"runners.clone_url", jobs,
   [](const runner_config& x) { return text(x.clone_url); }},
  {"runners.environment", jobs,
   [](const runner_config& x) { return text(x.environment); }, true},
  {"runners.pre_get_sources_script", jobs,
   [](const runner_config& x) { return text(x.pre_get_sources_script); }, true},
  {"runners.post_get_sources_script", jobs,
   [](const runner_config& x) { return text(x.post_get_sources_script); },
   true},
  {"runners.pre_build_script", jobs,
   [](const runner_config& x) { return text(x.pre_build_script); }, true},
  {"runners.post_build_script", jobs,
   [](const runner_config& x) { return text(x.post_build_script); }, true},
  {"runners.prepare_timeout", jobs,
   [](const runner_config& x) { return text(x.prepare_timeout); }},
  {"runners.get_sources_timeout", jobs,
   [](const runner_config& x) { return text(x.get_sources_timeout); }},
  {"runners.debug_trace_disabled", jobs,
   [](const runner_config& x) { return text(x.debug_trace_disabled); }},
  {"runners.safe_directory_checkout", jobs,
   [](const runner_config& x) { return text(x.safe_directory_checkout); }},
  {"runners.clean_git_config", jobs,
   [](const runner_config& x) { return text(x.clean_git_config); }},
  {"runners.custom_build_dir.enabled", jobs,
   [](const runner_config& x) { return text(x.custom_build_dir_enabled); }},
  {"runners.instance.use_common_build_dir", jobs,
   [](const runner_config& x) { return text(x.use_common_build_dir); }},
  {"runners.artifact.upload_timeout", jobs,
   [](const runner_config& x) { return text(x.artifact_upload_timeout); }},
  {"runners.artifact.response_header_timeout", jobs,
   [](const runner_config& x) {
     return text(x.artifact_response_header_timeout);
   }},
  {"runners.feature_flags", jobs,
   [](const runner_config& x) { return text(x.feature_flags); }},
  {"runners.cache.Type", jobs,
   [](const runner_config& x) { return type_name(x.cache.type); }},
  {"runners.cache.Path", jobs,
   [](const runner_config& x) { return text(x.cache.path); }},
  {"runners.cache.Shared", jobs,
   [](const runner_config& x) { return text(x.cache.shared); }},
  {"runners.cache.MaxUploadedArchiveSize", jobs,
   [](const runner_config& x) { return text(x.cache.uploaded_max_bytes); }},
  {"runners.cache.s3.ServerAddress", jobs,
   [](const runner_config& x) { return text(x.cache.s3.server_address); }},
  {"runners.cache.s3.AccessKey", jobs,
   [](const runner_config& x) { return text(x.cache.s3.access_key); }, true},
  {"runners.cache.s3.SecretKey", jobs,
   [](const runner_config& x) { return text(x.cache.s3.secret_key); }, true},
  {"runners.cache.s3.SessionToken", jobs,
   [](const runner_config& x) { return text(x.cache.s3.session_token); }, true},
  {"runners.cache.s3.BucketName", jobs,
   [](const runner_config& x) { return text(x.cache.s3.bucket); }},
  {"runners.cache.s3.BucketLocation", jobs,
   [](const runner_config& x) { return text(x.cache.s3.region); }},
  {"runners.cache.s3.Insecure", jobs,
   [](const runner_config& x) { return text(x.cache.s3.insecure); }},
  {"runners.cache.s3.AuthenticationType", jobs},
  {"runners.cache.s3.ServerSideEncryption", jobs,
   [](const runner_config& x) { return text(x.cache.s3.encryption); }},
  {"runners.cache.s3.ServerSideEncryptionKeyID", jobs,
   [](const runner_config& x) { return text(x.cache.s3.encryption_key); },
   true},
  {"runners.cache.s3.DualStack", jobs,
   [](const runner_config& x) { return text(x.cache.s3.dual_stack); }},
  {"runners.cache.s3.PathStyle", jobs,
   [](const runner_config& x) { return text(x.cache.s3.path_style); }},
  {"runners.cache.s3.Accelerate", jobs,
   [](const runner_config& x) { return text(x.cache.s3.accelerate); }},
  {"runners.cache.gcs.CredentialsFile", jobs},
  {"runners.cache.gcs.AccessID", jobs,
   [](const runner_config& x) { return text(x.cache.gcs.access_id); }, true},
  {"runners.cache.gcs.PrivateKey", jobs,
   [](const runner_config& x) { return text(x.cache.gcs.private_key); }, true},
  {"runners.cache.gcs.BucketName", jobs,
   [](const runner_config& x) { return text(x.cache.gcs.bucket); }},
  {"runners.cache.gcs.UniverseDomain", jobs,
   [](const runner_config& x) { return text(x.cache.gcs.universe_domain); }},
  {"runners.cache.azure.AccountName", jobs,
   [](const runner_config& x) { return text(x.cache.azure.account); }},
  {"runners.cache.azure.AccountKey", jobs,
   [](const runner_config& x) { return text(x.cache.azure.account_key); },
   true},
  {"runners.cache.azure.ContainerName", jobs,
   [](const runner_config& x) { return text(x.cache.azure.container); }},
  {"runners.cache.azure.StorageDomain", jobs,
   [](const runner_config& x) { return text(x.cache.azure.storage_domain); }},
  {"runners.use_slot_cgroups", jobs,
   [](const runner_config& x) { return text(x.use_slot_cgroups); }},
  {"runners.slot_cgroup_template", jobs,
   [](const runner_config& x) { return text(x.slot_cgroup_template); }},
  {"runners.muster.helper_image_version", jobs,
   [](const runner_config& x) { return text(x.helper_image_version); }},
  {"runners.muster.helper_image_archive", drain,
   [](const runner_config& x) {
     return x.docker && !x.docker->helper_archive.empty()
              ? text(x.docker->helper_archive) + " ("
                  + x.docker->helper_archive_image + ")"
              : "none";
   }},
  {"runners.muster.key_passphrase", drain,
   [](const runner_config& x) {
     return text(group(x).connector.key_passphrase);
   },
   true},
  {"runners.autoscaler.plugin", restart,
   [](const runner_config& x) { return text(group(x).plugin); }},
  {"runners.autoscaler.plugin_config", drain,
   [](const runner_config& x) { return text(group(x).plugin_config_json); },
   true},
  {"runners.autoscaler.capacity_per_instance", drain,
   [](const runner_config& x) { return text(group(x).capacity_per_instance); }},
  {"runners.autoscaler.max_use_count", live,
   [](const runner_config& x) { return text(group(x).max_use_count); }},
  {"runners.autoscaler.max_instances", live,
   [](const runner_config& x) { return text(group(x).max_instances); }},
  {"runners.autoscaler.instance_ready_command", live,
   [](const runner_config& x) { return text(group(x).instance_ready_command); },
   true},
  {"runners.autoscaler.instance_acquire_timeout", jobs,
   [](const runner_config& x) {
     return text(group(x).instance_acquire_timeout);
   }},
  {"runners.autoscaler.update_interval", live,
   [](const runner_config& x) { return text(group(x).update_interval); }},
  {"runners.autoscaler.update_interval_when_expecting", live,
   [](const runner_config& x) {
     return text(group(x).update_interval_when_expecting);
   }},
  {"runners.autoscaler.deletion_retry_interval", live,
   [](const runner_config& x) {
     return text(group(x).deletion_retry_interval);
   }},
  {"runners.autoscaler.shutdown_deletion_interval", live,
   [](const runner_config& x) {
     return text(group(x).shutdown_deletion_interval);
   }},
  {"runners.autoscaler.shutdown_deletion_retries", live,
   [](const runner_config& x) {
     return text(group(x).shutdown_deletion_retries);
   }},
  {"runners.autoscaler.failure_threshold", live,
   [](const runner_config& x) { return text(group(x).failure_threshold); }},
  {"runners.autoscaler.delete_instances_on_shutdown", live,
   [](const runner_config& x) {
     return text(group(x).delete_instances_on_shutdown);
   }},
  {"runners.autoscaler.log_internal_ip", live,
   [](const runner_config& x) { return text(group(x).log_internal_ip); }},
  {"runners.autoscaler.log_external_ip", live,
   [](const runner_config& x) { return text(group(x).log_external_ip); }},
  {"runners.autoscaler.reservation_throttling", live,
   [](const runner_config& x) {
     return text(group(x).reservation_throttling);
   }},
  {"runners.autoscaler.instance_operation_time_buckets", restart},
  {"runners.autoscaler.instance_creation_time_buckets", restart,
   [](const runner_config& x) { return text(group(x).buckets.creation); }},
  {"runners.autoscaler.instance_is_running_time_buckets", restart,
   [](const runner_config& x) { return text(group(x).buckets.is_running); }},
  {"runners.autoscaler.instance_deletion_time_buckets", restart,
   [](const runner_config& x) { return text(group(x).buckets.deletion); }},
  {"runners.autoscaler.instance_readiness_time_buckets", restart,
   [](const runner_config& x) { return text(group(x).buckets.readiness); }},
  {"runners.autoscaler.instance_life_duration_buckets", restart,
   [](const runner_config& x) { return text(group(x).buckets.life_duration); }},
  // What becomes of these two is the whole manager's `state_dir`.
  {"runners.autoscaler.state_storage.enabled", restart},
  {"runners.autoscaler.state_storage.dir", restart},
  {"runners.autoscaler.state_storage.keep_instance_with_acquisitions", live,
   [](const runner_config& x) {
     return text(group(x).keep_instance_with_acquisitions);
   }},
  {"runners.autoscaler.scale_throttle.limit", live,
   [](const runner_config& x) { return text(group(x).scale_limit); }},
  {"runners.autoscaler.scale_throttle.burst", live,
   [](const runner_config& x) { return text(group(x).scale_burst); }},
  {"runners.autoscaler.connector_config.os", drain,
   [](const runner_config& x) { return text(group(x).connector.os); }},
  {"runners.autoscaler.connector_config.arch", drain,
   [](const runner_config& x) { return text(group(x).connector.arch); }},
  {"runners.autoscaler.connector_config.protocol", drain,
   [](const runner_config& x) { return text(group(x).connector.protocol); }},
  {"runners.autoscaler.connector_config.protocol_port", drain,
   [](const runner_config& x) {
     return text(group(x).connector.protocol_port);
   }},
  {"runners.autoscaler.connector_config.username", drain,
   [](const runner_config& x) { return text(group(x).connector.username); }},
  {"runners.autoscaler.connector_config.password", drain,
   [](const runner_config& x) { return text(group(x).connector.password); },
   true},
  {"runners.autoscaler.connector_config.key_path", drain,
   [](const runner_config& x) { return text(group(x).connector.key_path); }},
  {"runners.autoscaler.connector_config.use_static_credentials", drain,
   [](const runner_config& x) {
     return text(group(x).connector.use_static_credentials);
   }},
  {"runners.autoscaler.connector_config.keepalive", live,
   [](const runner_config& x) { return text(group(x).connector.keepalive); }},
  {"runners.autoscaler.connector_config.timeout", live,
   [](const runner_config& x) { return text(group(x).connector.timeout); }},
  {"runners.autoscaler.connector_config.use_external_addr", drain,
   [](const runner_config& x) {
     return text(group(x).connector.use_external_addr);
   }},
};

constexpr effect_row<policy_config> of_policy[] = {
  {"runners.autoscaler.policy.periods", live,
   [](const policy_config& x) { return text(x.periods); }},
  {"runners.autoscaler.policy.timezone", live,
   [](const policy_config& x) { return text(x.timezone); }},
  {"runners.autoscaler.policy.idle_count", live,
   [](const policy_config& x) { return text(x.idle_count); }},
  {"runners.autoscaler.policy.idle_time", live,
   [](const policy_config& x) { return text(x.idle_time); }},
  {"runners.autoscaler.policy.scale_factor", live,
   [](const policy_config& x) { return text(x.scale_factor); }},
  {"runners.autoscaler.policy.scale_factor_limit", live,
   [](const policy_config& x) { return text(x.scale_factor_limit); }},
  {"runners.autoscaler.policy.preemptive_mode", live,
   [](const policy_config& x) { return text(x.preemptive_mode); }},
};

} // namespace

std::span<const effect_row<config>> file_rows() {
  return of_file;
}

std::span<const effect_row<runner_config>> runner_rows() {
  return of_runner;
}

std::span<const effect_row<policy_config>> policy_rows() {
  return of_policy;
}

std::vector<key_effect> key_effects() {
  std::vector<key_effect> out;
  for (const auto& row : of_file)
    out.push_back({row.path, row.effect});
  for (const auto& row : of_runner)
    out.push_back({row.path, row.effect});
  for (const auto& row : of_policy)
    out.push_back({row.path, row.effect});
  for (const auto& key : docker_and_cache_keys())
    if (key.path.starts_with("runners.docker.")
        && key.status == key_status::acted_on
        && key.type != key_type::section_list)
      out.push_back({key.path, jobs});
  return out;
}

} // namespace muster
