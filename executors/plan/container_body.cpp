#include "executors/plan/container_body.hpp"

#include <nlohmann/json.hpp>

namespace muster {

namespace {

using json = nlohmann::json;
using kind = container_settings::kind;

template <class T>
void set_if(json& in, const char* key, const T& value) {
  if (value != T{})
    in[key] = value;
}

json devices_of(const std::vector<docker_device>& devices) {
  auto out = json::array();
  for (const auto& x : devices)
    out.push_back({{"PathOnHost", x.host},
                   {"PathInContainer", x.container},
                   {"CgroupPermissions", x.permissions}});
  return out;
}

json gpus_of(const docker_gpus& gpus) {
  json out{{"Driver", gpus.driver},
           {"Count", gpus.count},
           {"Capabilities", json::array({gpus.capabilities})},
           {"Options", gpus.options}};
  if (!gpus.device_ids.empty())
    out["DeviceIDs"] = gpus.device_ids;
  return json::array({out});
}

/// What services have as well, with keys of their own.
void add_limits(json& host, const container_settings& from,
                const docker_limits& limits) {
  set_if(host, "Memory", limits.memory);
  set_if(host, "MemorySwap", limits.memory_swap);
  set_if(host, "MemoryReservation", limits.memory_reservation);
  set_if(host, "NanoCpus", limits.nano_cpus);
  set_if(host, "CpuShares", limits.cpu_shares);
  set_if(host, "CpusetCpus", limits.cpuset_cpus);
  set_if(host, "SecurityOpt", limits.security_opt);
  set_if(host, "Tmpfs", limits.tmpfs);
  set_if(host, "CgroupParent", from.cgroup_parent);
  if (limits.gpus)
    host["DeviceRequests"] = gpus_of(*limits.gpus);
  if (!from.devices.empty())
    host["Devices"] = devices_of(from.devices);
}

/// What services do not have.
void add_of_job(json& host, const container_settings& from) {
  const auto& docker = from.docker;
  set_if(host, "CpusetMems", docker.cpuset_mems);
  host["OomKillDisable"] = docker.oom_kill_disable;
  set_if(host, "OomScoreAdj", docker.oom_score_adjust);
  set_if(host, "DeviceCgroupRules", docker.device_cgroup_rules);
  for (const auto& x : docker.ulimits)
    host["Ulimits"].push_back(
      {{"Name", x.name}, {"Soft", x.soft}, {"Hard", x.hard}});
  set_if(host, "GroupAdd", docker.group_add);
  if (from.what == kind::build)
    set_if(host, "PidMode", docker.pid_mode);
  set_if(host, "IpcMode", docker.ipc_mode);
  set_if(host, "CapAdd", docker.cap_add);
  set_if(host, "CapDrop", docker.cap_drop);
  set_if(host, "Sysctls", docker.sysctls);
  set_if(host, "Links", docker.links);
  set_if(host, "VolumesFrom", docker.volumes_from);
  set_if(host, "VolumeDriver", docker.volume_driver);
}

json host_config(const container_settings& from) {
  const auto& docker = from.docker;
  json host{{"Privileged", from.privileged},
            {"RestartPolicy", {{"Name", "no"}}},
            {"LogConfig", {{"Type", "json-file"}}}};
  if (!docker.log_options.empty())
    host["LogConfig"]["Config"] = docker.log_options;
  auto is_service = from.what == kind::service;
  add_limits(host, from, is_service ? docker.services_limits : docker.build);
  if (!is_service)
    add_of_job(host, from);
  set_if(host, "Binds", from.binds);
  set_if(host, "NetworkMode", docker.network_mode);
  set_if(host, "Dns", docker.dns);
  set_if(host, "DnsSearch", docker.dns_search);
  set_if(host, "ExtraHosts", docker.extra_hosts);
  set_if(host, "UsernsMode", docker.userns_mode);
  set_if(host, "Runtime", docker.runtime);
  set_if(host, "Isolation", docker.isolation);
  set_if(host, "ShmSize", docker.shm_size);
  if (from.init && from.what != kind::helper)
    host["Init"] = true;
  return host;
}

/// Nothing if there is nothing to say of the network.
json networking(const container_settings& from) {
  const auto& docker = from.docker;
  auto endpoint = json::object();
  if (is_named_network(docker.network_mode))
    endpoint["Aliases"] = from.aliases;
  if (from.what != kind::service)
    set_if(endpoint, "MacAddress", docker.mac_address);
  if (endpoint.empty())
    return nullptr;
  auto name = docker.network_mode.empty() ? "default" : docker.network_mode;
  return {{"EndpointsConfig", {{name, endpoint}}}};
}

} // namespace

bool is_named_network(const std::string& mode) {
  for (const auto* own : {"", "default", "bridge", "host", "none"})
    if (mode == own)
      return false;
  return !mode.starts_with("container:");
}

std::string container_body(const container_settings& from) {
  json body{{"Tty", false},
            {"Labels", from.labels},
            {"Env", from.environment},
            {"HostConfig", host_config(from)}};
  set_if(body, "Hostname", from.hostname);
  set_if(body, "User", from.user);
  set_if(body, "Cmd", from.command);
  set_if(body, "Entrypoint", from.entrypoint);
  if (from.what != kind::service)
    for (const auto* key : {"AttachStdin", "AttachStdout", "AttachStderr",
                            "OpenStdin", "StdinOnce"})
      body[key] = true;
  if (auto network = networking(from); !network.is_null())
    body["NetworkingConfig"] = network;
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace muster
