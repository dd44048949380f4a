#include "config/keys.hpp"

namespace muster {

using enum key_type;
using enum key_status;

namespace {

std::vector<key_info> docker_container_keys() {
  return {
    {"runners.docker", section, acted_on, "docker executors"},
    {"runners.docker.host", string, acted_on, "address of the daemon"},
    {"runners.docker.tls_cert_path", string, not_yet, "its certificates"},
    {"runners.docker.tls_verify", boolean, not_yet, "checks them"},
    {"runners.docker.user", string, acted_on, "user in containers"},
    {"runners.docker.allowed_users", string_list, acted_on, "users of jobs"},
    {"runners.docker.group_add", string_list, acted_on, "more groups"},
    {"runners.docker.hostname", string, acted_on, "of the container"},
    {"runners.docker.runtime", string, acted_on, "of containers"},
    {"runners.docker.isolation", string, acted_on, "Windows only"},
    {"runners.docker.privileged", boolean, acted_on, "all rights"},
    {"runners.docker.services_privileged", boolean, acted_on, "the same"},
    {"runners.docker.userns_mode", string, acted_on, "user namespace"},
    {"runners.docker.security_opt", string_list, acted_on, "security options"},
    {"runners.docker.services_security_opt", string_list, acted_on, "the same"},
    {"runners.docker.cap_add", string_list, acted_on, "capabilities"},
    {"runners.docker.cap_drop", string_list, acted_on, "capabilities"},
    {"runners.docker.sysctls", string_map, acted_on, "kernel settings"},
    {"runners.docker.ulimit", string_map, acted_on, "limits"},
    {"runners.docker.pid_mode", string, acted_on, "process namespace"},
    {"runners.docker.ipcmode", string, acted_on, "ipc namespace"},
    {"runners.docker.disable_entrypoint_overwrite", boolean, acted_on,
     "keeps the image's entrypoint"},
    {"runners.docker.container_labels", string_map, acted_on, "labels"},
    {"runners.docker.log_options", string_map, acted_on, "of json-file"},
  };
}

std::vector<key_info> docker_image_keys() {
  return {
    {"runners.docker.image", string, acted_on, "image of jobs without one"},
    {"runners.docker.allowed_images", string_list, acted_on, "images of jobs"},
    {"runners.docker.allowed_services", string_list, acted_on,
     "services of jobs"},
    {"runners.docker.allowed_privileged_images", string_list, acted_on,
     "images with all rights"},
    {"runners.docker.allowed_privileged_services", string_list, acted_on,
     "services with all rights"},
    {"runners.docker.pull_policy", string_or_list, acted_on, "when to pull"},
    {"runners.docker.allowed_pull_policies", string_list, acted_on,
     "what jobs may ask for"},
    {"runners.docker.helper_image", string, acted_on, "helper's image"},
    {"runners.docker.helper_image_flavor", string, acted_on, "its variant"},
    {"runners.docker.services", section_list, acted_on, "services of all jobs"},
    {"runners.docker.services.name", string, acted_on, "image"},
    {"runners.docker.services.alias", string, acted_on, "host names"},
    {"runners.docker.services.command", string_list, acted_on, "command"},
    {"runners.docker.services.entrypoint", string_list, acted_on, "entrypoint"},
    {"runners.docker.services.environment", string_list, acted_on, "variables"},
    {"runners.docker.services.suspend_data_path", string, not_yet,
     "data kept over a suspension"},
    {"runners.docker.services_limit", integer, acted_on, "services of a job"},
    {"runners.docker.wait_for_services_timeout", integer, acted_on, "seconds"},
  };
}

std::vector<key_info> docker_resource_keys() {
  return {
    {"runners.docker.memory", string, acted_on, "limit"},
    {"runners.docker.memory_swap", string, acted_on, "limit"},
    {"runners.docker.memory_reservation", string, acted_on, "soft limit"},
    {"runners.docker.service_memory", string, acted_on, "limit"},
    {"runners.docker.service_memory_swap", string, acted_on, "limit"},
    {"runners.docker.service_memory_reservation", string, acted_on,
     "soft limit"},
    {"runners.docker.cpus", string, acted_on, "processors"},
    {"runners.docker.service_cpus", string, acted_on, "processors"},
    {"runners.docker.cpu_shares", integer, acted_on, "weight"},
    {"runners.docker.service_cpu_shares", integer, acted_on, "weight"},
    {"runners.docker.cpuset_cpus", string, acted_on, "which processors"},
    {"runners.docker.cpuset_mems", string, acted_on, "which memory"},
    {"runners.docker.service_cpuset_cpus", string, acted_on,
     "which processors"},
    {"runners.docker.cgroup_parent", string, acted_on, "cgroup"},
    {"runners.docker.service_cgroup_parent", string, acted_on, "cgroup"},
    {"runners.docker.service_slot_cgroup_template", string, acted_on,
     "name of a slot's cgroup"},
    {"runners.docker.gpus", string, acted_on, "graphics processors"},
    {"runners.docker.service_gpus", string, acted_on, "graphics processors"},
    {"runners.docker.oom_kill_disable", boolean, acted_on, "no OOM killer"},
    {"runners.docker.oom_score_adjust", integer, acted_on,
     "for the OOM killer"},
    {"runners.docker.devices", string_list, acted_on, "devices"},
    {"runners.docker.device_cgroup_rules", string_list, acted_on, "devices"},
    {"runners.docker.services_devices", list_map, acted_on, "devices"},
    {"runners.docker.shm_size", integer, acted_on, "bytes of /dev/shm"},
  };
}

std::vector<key_info> docker_volume_and_network_keys() {
  return {
    {"runners.docker.tmpfs", string_map, acted_on, "memory file systems"},
    {"runners.docker.services_tmpfs", string_map, acted_on, "the same"},
    {"runners.docker.volumes", string_list, acted_on, "volumes"},
    {"runners.docker.volumes_from", string_list, acted_on, "containers"},
    {"runners.docker.volume_driver", string, acted_on, "driver"},
    {"runners.docker.volume_driver_ops", string_map, acted_on, "its options"},
    {"runners.docker.volume_keep", boolean, acted_on, "after the job"},
    {"runners.docker.disable_cache", boolean, acted_on, "no cache volumes"},
    {"runners.docker.cache_dir", string, acted_on, "folder of cache volumes"},
    {"runners.docker.network_mode", string, acted_on, "network"},
    {"runners.docker.network_mtu", integer, acted_on, "of a job's network"},
    {"runners.docker.enable_ipv6", boolean, acted_on, "in a job's network"},
    {"runners.docker.dns", string_list, acted_on, "name servers"},
    {"runners.docker.dns_search", string_list, acted_on, "search domains"},
    {"runners.docker.extra_hosts", string_list, acted_on, "host names"},
    {"runners.docker.links", string_list, acted_on, "containers"},
    {"runners.docker.mac_address", string, acted_on, "address"},
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
