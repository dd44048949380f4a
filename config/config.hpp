#pragma once

#include "messages/secret.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster {

// The configuration in force: config.toml (reference/config) as values.
// Defaults here are the documented ones, already applied: no "0 means default"
// is left for the reader. Keys that muster knows by name only have no field.

using std::chrono::milliseconds;

/// One `[[runners.autoscaler.policy]]`; the last whose period matches is in
/// force.
struct policy_config {
  std::vector<std::string> periods{"* * * * *"}; ///< five fields, checked
  std::string timezone; ///< IANA name; empty: the process's own
  int idle_count = 0;   ///< kept free [slots]
  milliseconds idle_time{0};
  double scale_factor = 0;
  int scale_factor_limit = 0;          ///< 0: none
  std::optional<bool> preemptive_mode; ///< unset: exactly when idle_count > 0
};

/// `[runners.autoscaler.connector_config]`.
struct connector_config {
  std::string os;
  std::string arch;
  std::string protocol;  ///< empty: the provider decides
  int protocol_port = 0; ///< 0: the protocol's own
  std::string username;
  secret password;
  std::string key_path;  ///< relative to the working folder
  secret key_passphrase; ///< of `[runners.muster]`; empty: none is needed
  bool use_static_credentials = false;
  milliseconds keepalive{30'000};
  milliseconds timeout{600'000};
  bool use_external_addr = false;
};

/// Bounds of the histograms of a group's metrics [s]; empty: built in.
struct time_buckets {
  std::vector<double> creation;
  std::vector<double> is_running;
  std::vector<double> deletion;
  std::vector<double> readiness;
  std::vector<double> life_duration;

  bool operator==(const time_buckets&) const = default;
};

/// `[runners.autoscaler]`.
struct autoscaler_config {
  std::string plugin;
  std::string plugin_config_json
    = "null"; ///< the table as JSON, letter case kept
  int capacity_per_instance = 1;
  int max_use_count = 0;  ///< 0: unlimited
  int max_instances = 0;  ///< 0: the provider's own limit
  std::string group_name; ///< as `plugin_config` tells it; empty: not known
  /// That limit, as far as `plugin_config` tells it; 0: none [instances]
  int64_t plugin_instances_max = 0;
  std::string instance_ready_command;
  milliseconds instance_acquire_timeout{900'000};
  milliseconds update_interval{60'000};
  milliseconds update_interval_when_expecting{2'000};
  milliseconds deletion_retry_interval{60'000};
  milliseconds shutdown_deletion_interval{10'000};
  int shutdown_deletion_retries = 3;
  int scale_limit = 100; ///< of scale_throttle; 0: none [instances/s]
  int scale_burst = 100; ///< at once, after a rest [instances]
  int failure_threshold = 3;
  bool delete_instances_on_shutdown = false;
  bool log_internal_ip = false;
  bool log_external_ip = false;
  bool reservation_throttling = true;
  std::string state_dir; ///< of state_storage; empty: as [muster] has it
  bool keep_instance_with_acquisitions = false;
  time_buckets buckets;
  connector_config connector;
  std::vector<policy_config> policies;
};

/// `[runners.cache.s3]`, credentials from the environment filled in.
struct s3_cache_config {
  std::string server_address; ///< host or host:port; empty: Amazon's
  std::string access_key;
  secret secret_key;
  secret session_token; ///< may be empty
  std::string bucket;
  std::string region = "us-east-1"; ///< BucketLocation
  bool insecure = false;            ///< http
  std::string encryption; ///< `AES256`, `aws:kms`, `aws:kms:dsse` or empty
  std::string encryption_key;
  bool dual_stack = true;
  std::optional<bool> path_style; ///< unset: as the server is known to want it
  bool accelerate = false;
};

/// `[runners.cache.gcs]`, the credentials' file read.
struct gcs_cache_config {
  std::string access_id; ///< e-mail address of the service account
  secret private_key;    ///< PEM
  std::string bucket;
  std::string universe_domain = "googleapis.com";
};

/// `[runners.cache.azure]`.
struct azure_cache_config {
  std::string account;
  secret account_key; ///< base64
  std::string container;
  std::string storage_domain = "blob.core.windows.net";
};

enum class cache_type : uint8_t { local, s3, gcs, azure };

/// `[runners.cache]`. What cannot be used is told when the file is read, and
/// the type is `local` then: caches stay on their instances.
struct cache_config {
  cache_type type = cache_type::local;
  std::string path;               ///< prefix of all objects; may be empty
  bool shared = false;            ///< between runners
  int64_t uploaded_max_bytes = 0; ///< MaxUploadedArchiveSize; 0: no limit
  s3_cache_config s3;
  gcs_cache_config gcs;
  azure_cache_config azure;
};

/// One `[[runners.docker.services]]`, as written.
struct docker_service_config {
  std::string name;                     ///< of the image, with references
  std::string alias;                    ///< with blanks or commas between them
  std::vector<std::string> command;     ///< empty: the image's
  std::vector<std::string> entrypoint;  ///< likewise
  std::vector<std::string> environment; ///< `KEY=VALUE`
};

struct docker_device {
  std::string host;
  std::string container;
  std::string permissions; ///< of `rwm`
};

struct docker_ulimit {
  std::string name;
  int64_t soft = 0;
  int64_t hard = 0;
};

/// What `gpus` asks for; docker's `--gpus` has the same words.
struct docker_gpus {
  std::string driver;
  int count = 0; ///< -1: all
  std::vector<std::string> device_ids;
  std::vector<std::string> capabilities; ///< all of them at once
  std::map<std::string, std::string> options;
};

/// What `[runners.docker]` has once for the containers of the job and once for
/// those of its services. Zero and empty: not given.
struct docker_limits {
  int64_t memory = 0;             ///< [bytes]
  int64_t memory_swap = 0;        ///< memory and swap; -1: no limit [bytes]
  int64_t memory_reservation = 0; ///< [bytes]
  int64_t nano_cpus = 0;          ///< [10^-9 processors]
  int64_t cpu_shares = 0;
  std::string cpuset_cpus;
  std::string cgroup_parent;
  std::string slot_cgroup_template; ///< empty: the other one, else the default
  std::optional<docker_gpus> gpus;
  bool privileged = false;
  std::vector<std::string> security_opt;    ///< profiles read from their files
  std::map<std::string, std::string> tmpfs; ///< options by path
};

/// `[runners.docker]`, its values checked.
struct docker_config {
  std::string host; ///< of the Engine, at the instance; empty: its default
  std::string api_version; ///< DOCKER_API_VERSION; empty: as the Engine offers
  std::string image;
  std::string helper_image; ///< empty: GitLab's
  std::string helper_image_flavor = "alpine";
  /// helper_image_archive of `[runners.muster]`: what `docker load` takes, and
  /// how its image is called at the instances. Empty: none.
  std::string helper_archive;
  std::string helper_archive_image;
  std::vector<std::string> pull_policies{"always"};
  std::vector<std::string> allowed_pull_policies; ///< empty: those above
  std::vector<std::string> allowed_images;        ///< empty: all
  std::vector<std::string> allowed_services;      ///< empty: all
  std::vector<std::string> allowed_privileged_images;
  std::vector<std::string> allowed_privileged_services;
  std::vector<std::string> allowed_users; ///< empty: `user`, else all
  std::string user;                       ///< empty: the job's or the image's
  std::vector<std::string> group_add;
  std::string hostname; ///< empty: made of the job's project
  std::string runtime;
  std::string isolation; ///< `default` alone means something on Linux
  docker_limits build;
  docker_limits services_limits;
  std::string cpuset_mems;
  bool oom_kill_disable = false;
  int64_t oom_score_adjust = 0;
  std::vector<std::string> cap_add;  ///< `CAP_...` or `ALL`, sorted
  std::vector<std::string> cap_drop; ///< likewise
  std::vector<docker_device> devices;
  std::vector<std::string> device_cgroup_rules;
  /// By a pattern of service images.
  std::map<std::string, std::vector<docker_device>> services_devices;
  std::vector<docker_ulimit> ulimits;
  std::map<std::string, std::string> sysctls;
  int64_t shm_size = 0; ///< 0: the Engine's default [bytes]
  std::string userns_mode;
  std::string pid_mode;
  std::string ipc_mode;
  std::string mac_address;
  std::vector<std::string> volumes; ///< as written
  std::vector<std::string> volumes_from;
  std::string volume_driver;
  std::map<std::string, std::string> volume_driver_options;
  bool volume_keep = false;
  bool disable_cache = false;
  std::string cache_dir; ///< at the instance; empty: volumes
  std::string network_mode;
  int64_t network_mtu = 0;
  bool enable_ipv6 = false;
  std::vector<std::string> dns;
  std::vector<std::string> dns_search;
  std::vector<std::string> extra_hosts;
  std::vector<std::string> links;
  bool disable_entrypoint_overwrite = false;
  int64_t wait_for_services_timeout_s = 30; ///< < 0: they are not waited for
  int services_max = -1;                    ///< services_limit; -1: none
  std::map<std::string, std::string> container_labels; ///< with references
  std::map<std::string, std::string> log_options;
  std::vector<docker_service_config> services;
  std::string gpus_text; ///< as written, told to GitLab
  /// The values of the section by their keys, as JSON: what a reload compares.
  std::map<std::string, std::string> written;
};

/// One `[[runners]]`.
struct runner_config {
  std::string name;
  std::string url; ///< as written, environment expanded
  int64_t id = 0;
  std::string mark; ///< tells it from others with its url and token, if any
  secret token;
  bool token_is_literal = true;  ///< it stands in the file, not in `$NAME`
  int64_t token_obtained_at = 0; ///< Unix time [s]; 0: not known
  int64_t token_expires_at = 0;  ///< the same; 0: never
  std::string executor;
  std::string shell; ///< empty: bash if it is there, else sh
  std::string tls_ca_file;
  std::string tls_cert_file;
  std::string tls_key_file;
  int limit = 0; ///< 0: unlimited
  int request_concurrency = 1;
  bool strict_check_interval = false;
  int unhealthy_requests_limit = 3;
  milliseconds unhealthy_interval{3'600'000};
  int final_update_retry_limit = 10; ///< job_status_final_update_retry_limit
  int64_t output_limit_bytes = 4'194'304;
  std::string builds_dir = "builds"; ///< relative to the login directory
  std::string cache_dir = "cache";
  std::string clone_url;
  std::vector<std::string> environment; ///< `KEY=VALUE`
  std::string pre_get_sources_script;
  std::string post_get_sources_script;
  std::string pre_build_script;
  std::string post_build_script;
  std::optional<milliseconds> prepare_timeout;     ///< unset: the job's own
  std::optional<milliseconds> get_sources_timeout; ///< unset: the job's own
  milliseconds artifact_upload_timeout{3'600'000};
  milliseconds artifact_response_header_timeout{600'000};
  bool debug_trace_disabled = false;
  bool safe_directory_checkout = false;
  std::optional<bool> clean_git_config; ///< unset: unless strategy is none
  bool custom_build_dir_enabled = false;
  bool use_common_build_dir = false; ///< of [runners.instance]
  cache_config cache;
  std::map<std::string, bool> feature_flags;
  std::map<std::string, std::string> labels; ///< global ones merged in
  bool use_slot_cgroups = false;
  std::string slot_cgroup_template;    ///< empty: the default
  std::optional<docker_config> docker; ///< with executor docker-autoscaler
  /// The GitLab Runner whose helper image jobs get: of `[runners.muster]`.
  std::string helper_image_version = "19.4.0";
  std::optional<autoscaler_config> autoscaler;
};

/// `recorder` of `[muster]`.
struct recorder_config {
  bool enabled = true;
  std::string dir;              ///< absolute; empty: in the state folder
  int64_t size_max = 256 << 20; ///< of all recordings there [bytes]
  milliseconds age_max{7 * 24 * 3'600'000}; ///< of what is recorded
};

/// `[muster]`: what GitLab Runner does not have.
struct muster_config {
  int workers = 1;                 ///< threads for deciding actors
  std::string state_dir;           ///< absolute
  bool state_dir_is_given = false; ///< in the section itself
  std::string helper_path; ///< muster-helper to put on instances; empty: the
                           ///< one beside this program
  recorder_config recorder;
};

/// Where recordings are.
std::string recordings_folder(const muster_config& x);

struct config {
  std::string path; ///< the file
  int concurrent = 1;
  milliseconds check_interval{3'000};
  std::string log_level = "info";
  std::string log_format = "runner";
  std::string listen_address; ///< of the metrics server; empty: none
  milliseconds shutdown_timeout{30'000};
  milliseconds connection_max_age{900'000}; ///< 0: never
  muster_config muster;
  std::vector<runner_config> runners;
};

/// The part of a token that may be shown (reference/job-api, section 9): known
/// prefixes stripped, at most 9 characters.
std::string short_token(const secret& token);

} // namespace muster
