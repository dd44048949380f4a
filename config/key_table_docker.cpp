#include "config/keys.hpp"

namespace muster {

using enum key_type;
using enum key_status;

namespace {

std::vector<key_info> docker_container_keys() {
  return {
    {"runners.docker", section, not_yet, "docker executors"},
    {"runners.docker.host", string, not_yet, "address of the daemon"},
    {"runners.docker.tls_cert_path", string, not_yet, "its certificates"},
    {"runners.docker.tls_verify", boolean, not_yet, "checks them"},
    {"runners.docker.user", string, not_yet, "user in containers"},
    {"runners.docker.allowed_users", string_list, not_yet, "users of jobs"},
    {"runners.docker.group_add", string_list, not_yet, "more groups"},
    {"runners.docker.hostname", string, not_yet, "of the container"},
    {"runners.docker.runtime", string, not_yet, "of containers"},
    {"runners.docker.isolation", string, not_yet, "Windows only"},
    {"runners.docker.privileged", boolean, not_yet, "all rights"},
    {"runners.docker.services_privileged", boolean, not_yet, "the same"},
    {"runners.docker.userns_mode", string, not_yet, "user namespace"},
    {"runners.docker.security_opt", string_list, not_yet, "security options"},
    {"runners.docker.services_security_opt", string_list, not_yet, "the same"},
    {"runners.docker.cap_add", string_list, not_yet, "capabilities"},
    {"runners.docker.cap_drop", string_list, not_yet, "capabilities"},
    {"runners.docker.sysctls", string_map, not_yet, "kernel settings"},
    {"runners.docker.ulimit", string_map, not_yet, "limits"},
    {"runners.docker.pid_mode", string, not_yet, "process namespace"},
    {"runners.docker.ipcmode", string, not_yet, "ipc namespace"},
    {"runners.docker.disable_entrypoint_overwrite", boolean, not_yet,
     "keeps the image's entrypoint"},
    {"runners.docker.container_labels", string_map, not_yet, "labels"},
    {"runners.docker.log_options", string_map, not_yet, "of json-file"},
  };
}

std::vector<key_info> docker_image_keys() {
  return {
    {"runners.docker.image", string, not_yet, "image of jobs without one"},
    {"runners.docker.allowed_images", string_list, not_yet, "images of jobs"},
    {"runners.docker.allowed_services", string_list, not_yet,
     "services of jobs"},
    {"runners.docker.allowed_privileged_images", string_list, not_yet,
     "images with all rights"},
    {"runners.docker.allowed_privileged_services", string_list, not_yet,
     "services with all rights"},
    {"runners.docker.pull_policy", string_or_list, not_yet, "when to pull"},
    {"runners.docker.allowed_pull_policies", string_list, not_yet,
     "what jobs may ask for"},
    {"runners.docker.helper_image", string, not_yet, "helper's image"},
    {"runners.docker.helper_image_flavor", string, not_yet, "its variant"},
    {"runners.docker.services", section_list, not_yet, "services of all jobs"},
    {"runners.docker.services.name", string, not_yet, "image"},
    {"runners.docker.services.alias", string, not_yet, "host names"},
    {"runners.docker.services.command", string_list, not_yet, "command"},
    {"runners.docker.services.entrypoint", string_list, not_yet, "entrypoint"},
    {"runners.docker.services.environment", string_list, not_yet, "variables"},
    {"runners.docker.services.suspend_data_path", string, not_yet,
     "data kept over a suspension"},
    {"runners.docker.services_limit", integer, not_yet, "services of a job"},
    {"runners.docker.wait_for_services_timeout", integer, not_yet, "seconds"},
  };
}

std::vector<key_info> docker_resource_keys() {
  return {
    {"runners.docker.memory", string, not_yet, "limit"},
    {"runners.docker.memory_swap", string, not_yet, "limit"},
    {"runners.docker.memory_reservation", string, not_yet, "soft limit"},
    {"runners.docker.service_memory", string, not_yet, "limit"},
    {"runners.docker.service_memory_swap", string, not_yet, "limit"},
    {"runners.docker.service_memory_reservation", string, not_yet,
     "soft limit"},
    {"runners.docker.cpus", string, not_yet, "processors"},
    {"runners.docker.service_cpus", string, not_yet, "processors"},
    {"runners.docker.cpu_shares", integer, not_yet, "weight"},
    {"runners.docker.service_cpu_shares", integer, not_yet, "weight"},
    {"runners.docker.cpuset_cpus", string, not_yet, "which processors"},
    {"runners.docker.cpuset_mems", string, not_yet, "which memory"},
    {"runners.docker.service_cpuset_cpus", string, not_yet, "which processors"},
    {"runners.docker.cgroup_parent", string, not_yet, "cgroup"},
    {"runners.docker.service_cgroup_parent", string, not_yet, "cgroup"},
    {"runners.docker.service_slot_cgroup_template", string, not_yet,
     "name of a slot's cgroup"},
    {"runners.docker.gpus", string, not_yet, "graphics processors"},
    {"runners.docker.service_gpus", string, not_yet, "graphics processors"},
    {"runners.docker.oom_kill_disable", boolean, not_yet, "no OOM killer"},
    {"runners.docker.oom_score_adjust", integer, not_yet, "for the OOM killer"},
    {"runners.docker.devices", string_list, not_yet, "devices"},
    {"runners.docker.device_cgroup_rules", string_list, not_yet, "devices"},
    {"runners.docker.services_devices", list_map, not_yet, "devices"},
    {"runners.docker.shm_size", integer, not_yet, "bytes of /dev/shm"},
  };
}

std::vector<key_info> docker_volume_and_network_keys() {
  return {
    {"runners.docker.tmpfs", string_map, not_yet, "memory file systems"},
    {"runners.docker.services_tmpfs", string_map, not_yet, "the same"},
    {"runners.docker.volumes", string_list, not_yet, "volumes"},
    {"runners.docker.volumes_from", string_list, not_yet, "containers"},
    {"runners.docker.volume_driver", string, not_yet, "driver"},
    {"runners.docker.volume_driver_ops", string_map, not_yet, "its options"},
    {"runners.docker.volume_keep", boolean, not_yet, "after the job"},
    {"runners.docker.disable_cache", boolean, not_yet, "no cache volumes"},
    {"runners.docker.cache_dir", string, not_yet, "folder of cache volumes"},
    {"runners.docker.network_mode", string, not_yet, "network"},
    {"runners.docker.network_mtu", integer, not_yet, "of a job's network"},
    {"runners.docker.enable_ipv6", boolean, not_yet, "in a job's network"},
    {"runners.docker.dns", string_list, not_yet, "name servers"},
    {"runners.docker.dns_search", string_list, not_yet, "search domains"},
    {"runners.docker.extra_hosts", string_list, not_yet, "host names"},
    {"runners.docker.links", string_list, not_yet, "containers"},
    {"runners.docker.mac_address", string, not_yet, "address"},
  };
}

std::vector<key_info> cache_keys() {
  return {
    {"runners.cache", section, acted_on, "distributed cache"},
    {"runners.cache.Type", string, acted_on, "s3, gcs or azure"},
    {"runners.cache.Path", string, acted_on, "prefix of objects"},
    {"runners.cache.Shared", boolean, acted_on, "between runners"},
    {"runners.cache.MaxUploadedArchiveSize", integer, acted_on, "bytes"},
    {"runners.cache.s3", section, acted_on, "Amazon S3"},
    {"runners.cache.s3.ServerAddress", string, acted_on, "endpoint"},
    {"runners.cache.s3.AccessKey", string, acted_on, "key id"},
    {"runners.cache.s3.SecretKey", string, acted_on, "key"},
    {"runners.cache.s3.SessionToken", string, acted_on, "session"},
    {"runners.cache.s3.BucketName", string, acted_on, "bucket"},
    {"runners.cache.s3.BucketLocation", string, acted_on, "region"},
    {"runners.cache.s3.Insecure", boolean, acted_on, "no TLS"},
    {"runners.cache.s3.AuthenticationType", string, acted_on,
     "iam or access-key"},
    {"runners.cache.s3.ServerSideEncryption", string, acted_on, "kind"},
    {"runners.cache.s3.ServerSideEncryptionKeyID", string, acted_on, "key"},
    {"runners.cache.s3.DualStack", boolean, acted_on, "IPv6"},
    {"runners.cache.s3.PathStyle", boolean, acted_on, "form of URLs"},
    {"runners.cache.s3.Accelerate", boolean, acted_on, "accelerated endpoint"},
    {"runners.cache.s3.RoleARN", string, not_yet, "role to assume"},
    {"runners.cache.s3.UploadRoleARN", string, not_yet, "deprecated"},
    {"runners.cache.s3.AssumeRoleMaxConcurrency", integer, not_yet,
     "calls at a time"},
    {"runners.cache.s3.DisableAssumeRoleCredentialsCaching", boolean, not_yet,
     "asks each time"},
    {"runners.cache.gcs", section, acted_on, "Google Cloud Storage"},
    {"runners.cache.gcs.CredentialsFile", string, acted_on, "credentials"},
    {"runners.cache.gcs.AccessID", string, acted_on, "account"},
    {"runners.cache.gcs.PrivateKey", string, acted_on, "key"},
    {"runners.cache.gcs.BucketName", string, acted_on, "bucket"},
    {"runners.cache.gcs.UniverseDomain", string, acted_on, "domain"},
    {"runners.cache.azure", section, acted_on, "Azure Blob Storage"},
    {"runners.cache.azure.AccountName", string, acted_on, "account"},
    {"runners.cache.azure.AccountKey", string, acted_on, "key"},
    {"runners.cache.azure.ContainerName", string, acted_on, "container"},
    {"runners.cache.azure.StorageDomain", string, acted_on, "domain"},
  };
}

} // namespace

std::vector<key_info> docker_and_cache_keys() {
  std::vector<key_info> keys;
  for (auto part :
       {docker_container_keys(), docker_image_keys(), docker_resource_keys(),
        docker_volume_and_network_keys(), cache_keys()})
    keys.insert(keys.end(), part.begin(), part.end());
  return keys;
}

} // namespace muster
