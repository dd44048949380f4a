#include "config/keys.hpp"
#include "config/readers.hpp"
#include "config/source.hpp"
#include "messages/host_port.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace muster {

namespace {

constexpr std::array<std::string_view, 3> policy_names{
  "always", "if-not-present", "never"};

bool is_mac(std::string_view text) {
  constexpr size_t pairs = 6;
  if (text.size() != pairs * 3 - 1)
    return false;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    auto is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
                  || (c >= 'A' && c <= 'F');
    if (i % 3 == 2 ? c != ':' && c != '-' : !is_hex)
      return false;
  }
  return true;
}

/// Where a volume of the configuration is in the containers.
std::string destination_of(const std::string& volume) {
  auto colon = volume.find(':');
  if (colon == std::string::npos)
    return volume;
  auto end = volume.find(':', colon + 1);
  return volume.substr(colon + 1, end - colon - 1);
}

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  return path;
}

/// As docker normalizes them: `CAP_...` in capitals, sorted, each once.
std::vector<std::string> capabilities(const std::vector<std::string>& names) {
  std::set<std::string> out;
  for (auto name : names) {
    for (auto& c : name)
      if (c >= 'a' && c <= 'z')
        c = static_cast<char>(c - 'a' + 'A');
    if (name != "ALL" && !name.starts_with("CAP_"))
      name = "CAP_" + name;
    out.insert(std::move(name));
  }
  return {out.begin(), out.end()};
}

bool is_engine_address(std::string_view text) {
  constexpr std::string_view socket = "unix://";
  constexpr std::string_view remote = "tcp://";
  if (text.starts_with(socket))
    return text.substr(socket.size()).starts_with('/');
  if (!text.starts_with(remote))
    return false;
  text.remove_prefix(remote.size());
  auto at = read_host_port(text.substr(0, text.find_first_of("/?#")));
  return at && at->port;
}

struct docker_reader {
  const section& at;

  void refuse(std::string_view key, const std::string& message,
              std::string hint = "") const {
    at.say(severity::error, key, message + not_served, std::move(hint));
  }

  void refuse_element(std::string_view key, size_t index,
                      const std::string& message, std::string hint = "") const {
    at.say_of_element(severity::error, key, index, message + not_served,
                      std::move(hint));
  }

  /// A list whose entries may have a problem each.
  std::vector<std::string> checked(std::string_view key,
                                   std::string (*problem)(std::string_view),
                                   const char* hint) const {
    auto texts = at.texts(key);
    for (size_t i = 0; i < texts.size(); ++i)
      if (auto why = problem(texts[i]); !why.empty())
        refuse_element(key, i,
                       fmt::format("{}: {} {}", key, in_quotes(texts[i]), why),
                       hint);
    return texts;
  }

  int64_t memory(std::string_view key) const {
    auto text = at.text(key);
    if (text.empty())
      return 0;
    auto value = parse_memory(text);
    auto is_swap = key.ends_with("memory_swap");
    if (value && (*value >= 0 || is_swap))
      return *value;
    refuse(
      key,
      fmt::format("{}: {}", key,
                  value ? in_quotes(text) + " is no size" : value.error().text),
      fmt::format("write it like {} = \"512m\": a number with b, k, m or "
                  "g{}",
                  key, is_swap ? "; -1 is no limit" : ""));
    return 0;
  }

  int64_t cpus(std::string_view key) const {
    auto text = at.text(key);
    if (text.empty())
      return 0;
    auto value = parse_cpus(text);
    if (value)
      return *value;
    refuse(key, fmt::format("{}: {}", key, value.error().text),
           fmt::format("write it like {} = \"1.5\"", key));
    return 0;
  }

  std::optional<docker_gpus> gpus(std::string_view key) const {
    auto text = at.text(key);
    if (text.find_first_not_of(" \t") == std::string::npos)
      return std::nullopt;
    auto value = parse_gpus(text);
    if (value)
      return std::move(*value);
    refuse(key, fmt::format("{}: {}", key, value.error().text),
           "write it as docker's --gpus has it: \"all\", \"2\" or "
           "\"device=0\"");
    return std::nullopt;
  }

  /// A profile stands in a file of this machine; the Engine takes its text.
  std::vector<std::string> security_options(std::string_view key) const {
    auto options = at.texts(key);
    for (size_t i = 0; i < options.size(); ++i) {
      auto& text = options[i];
      constexpr std::string_view seccomp = "seccomp=";
      if (!text.starts_with(seccomp))
        continue;
      auto profile = text.substr(seccomp.size());
      if (profile == "unconfined" || profile == "builtin"
          || profile.starts_with('{'))
        continue;
      auto source = read_source(profile);
      auto json = source ? nlohmann::json::parse(*source, nullptr, false)
                         : nlohmann::json{};
      if (source && json.is_object())
        text = std::string{seccomp} + json.dump();
      else
        refuse_element(key, i,
                       fmt::format("{}: the seccomp profile {}", key,
                                   source
                                     ? in_quotes(profile) + " is no JSON object"
                                     : source.error().text));
    }
    return options;
  }

  std::vector<docker_device> devices(const std::vector<std::string>& texts,
                                     std::string_view key) const {
    std::vector<docker_device> out;
    for (size_t i = 0; i < texts.size(); ++i) {
      auto device = parse_device(texts[i]);
      if (device)
        out.push_back(std::move(*device));
      else
        refuse_element(key, i, fmt::format("{}: {}", key, device.error().text),
                       "write it like \"/dev/kvm:/dev/kvm:rwm\"");
    }
    return out;
  }

  /// What the job's containers and, with `front`, those of services have.
  void read_limits(const std::string& front, docker_limits& into) const {
    into.memory = memory(front + "memory");
    into.memory_swap = memory(front + "memory_swap");
    into.memory_reservation = memory(front + "memory_reservation");
    into.nano_cpus = cpus(front + "cpus");
    into.cpu_shares = at.count(front + "cpu_shares", {});
    into.cpuset_cpus = at.text(front + "cpuset_cpus");
    into.cgroup_parent = at.text(front + "cgroup_parent");
    into.gpus = gpus(front + "gpus");
  }

  void read_limits(docker_config& into) const {
    auto& build = into.build;
    read_limits("", build);
    into.cpuset_mems = at.text("cpuset_mems");
    build.privileged = at.flag("privileged");
    build.security_opt = security_options("security_opt");
    build.tmpfs = at.text_map("tmpfs");
    auto& service = into.services_limits;
    read_limits("service_", service);
    service.slot_cgroup_template = at.text("service_slot_cgroup_template");
    service.privileged
      = at.optional_flag("services_privileged").value_or(build.privileged);
    service.security_opt = security_options("services_security_opt");
    service.tmpfs = at.text_map("services_tmpfs");
    into.gpus_text = at.text("gpus");
  }

  void read_kernel(docker_config& into) const {
    into.oom_kill_disable = at.flag("oom_kill_disable");
    into.oom_score_adjust = at.integer("oom_score_adjust", 0);
    if (into.oom_score_adjust < -1000 || into.oom_score_adjust > 1000) {
      refuse("oom_score_adjust", "oom_score_adjust is from -1000 to 1000");
      into.oom_score_adjust = 0;
    }
    into.cap_add = capabilities(at.texts("cap_add"));
    into.cap_drop = capabilities(at.texts("cap_drop"));
    into.devices = devices(at.texts("devices"), "devices");
    into.device_cgroup_rules
      = checked("device_cgroup_rules", device_rule_problem,
                "write it like \"c 42:* rmw\"");
    into.sysctls = at.text_map("sysctls");
    into.shm_size = at.count(
      "shm_size", {.fallback = 0, .max = std::numeric_limits<int64_t>::max()});
    into.runtime = at.text("runtime");
    into.userns_mode = at.text("userns_mode");
    into.pid_mode = at.text("pid_mode");
    into.ipc_mode = at.text("ipcmode");
    into.group_add = at.texts("group_add");
    into.hostname = at.text("hostname");
    into.isolation = at.text("isolation");
    if (!into.isolation.empty() && into.isolation != "default") {
      at.say(severity::warning, "isolation",
             fmt::format("isolation {} is for Windows; instances are Linux: it "
                         "has no effect",
                         in_quotes(into.isolation)),
             "remove the line");
      into.isolation.clear();
    }
    read_service_devices(into);
    read_ulimits(into);
  }

  void read_service_devices(docker_config& into) const {
    auto map = at.child("services_devices");
    const auto* table = at.find("services_devices").value;
    if (table == nullptr || !table->is_table())
      return;
    for (const auto& [key, value] : *table->as_table()) {
      std::string pattern{key.str()};
      into.services_devices[pattern]
        = docker_reader{map}.devices(map.texts(pattern), pattern);
    }
  }

  void read_ulimits(docker_config& into) const {
    for (const auto& [name, text] : at.text_map("ulimit")) {
      auto colon = text.find(':');
      auto number = [](std::string_view x) {
        auto digits = x.starts_with('-') ? x.substr(1) : x;
        return !digits.empty() && digits.size() < 19
                   && digits.find_first_not_of("0123456789")
                        == std::string_view::npos
                 ? std::optional{std::stoll(std::string{x})}
                 : std::nullopt;
      };
      auto soft = number(std::string_view{text}.substr(0, colon));
      auto hard = colon == std::string::npos
                    ? soft
                    : number(std::string_view{text}.substr(colon + 1));
      if (soft && hard && (*hard == -1 || *soft <= *hard))
        into.ulimits.push_back({name, *soft, *hard});
      else
        at.child("ulimit").say(
          severity::error, name,
          fmt::format("ulimit {}: {} is no limit{}", name, in_quotes(text),
                      not_served),
          fmt::format("write it like {} = \"1024:2048\", the soft limit "
                      "first",
                      name));
    }
  }

  void read_network(docker_config& into) const {
    into.network_mode = at.text("network_mode");
    into.network_mtu = at.count("network_mtu", {});
    into.enable_ipv6 = at.flag("enable_ipv6");
    into.dns = at.texts("dns");
    for (size_t i = 0; i < into.dns.size(); ++i)
      if (!is_ip_address(into.dns[i]))
        refuse_element(
          "dns", i,
          fmt::format("dns: {} is no IP address", in_quotes(into.dns[i])));
    into.dns_search = at.texts("dns_search");
    into.extra_hosts = checked("extra_hosts", host_entry_problem,
                               "write it like \"name:192.0.2.1\"");
    into.links = at.texts("links");
    into.mac_address = at.text("mac_address");
    if (!into.mac_address.empty() && !is_mac(into.mac_address))
      refuse("mac_address",
             fmt::format("mac_address {} is no address of a network card",
                         in_quotes(into.mac_address)),
             "write it like \"92:d0:c6:0a:29:33\"");
  }

  void read_volumes(docker_config& into) const {
    into.volumes
      = checked("volumes", volume_mode_problem,
                "write \"source:/path:ro\", modes with commas between");
    std::map<std::string, size_t> seen;
    for (size_t i = 0; i < into.volumes.size(); ++i) {
      const auto& text = into.volumes[i];
      auto place = without_slashes(destination_of(text));
      if (place.empty() || text.starts_with(':'))
        refuse_element(
          "volumes", i,
          fmt::format("volumes: {} names no place", in_quotes(text)),
          "write \"/path\" or \"source:/path\"");
      else if (place == "/")
        refuse_element("volumes", i,
                       fmt::format("volumes: {} would hide all of the "
                                   "container's files",
                                   in_quotes(text)));
      else if (auto [it, added] = seen.emplace(place, i); !added)
        refuse_element("volumes", i,
                       fmt::format("volumes: {} has the place of {}",
                                   in_quotes(text),
                                   in_quotes(into.volumes[it->second])),
                       "remove one of the two");
    }
    into.volumes_from = at.texts("volumes_from");
    into.volume_driver = at.text("volume_driver");
    into.volume_driver_options = at.text_map("volume_driver_ops");
    into.volume_keep = at.flag("volume_keep");
    into.disable_cache = at.flag("disable_cache");
    into.cache_dir = at.text("cache_dir");
    if (!into.cache_dir.empty() && !into.cache_dir.starts_with('/'))
      refuse("cache_dir",
             fmt::format("cache_dir {} is no absolute path of the instance",
                         in_quotes(into.cache_dir)));
  }

  std::vector<std::string> policies(std::string_view key) const {
    auto found = at.find(key);
    auto one = at.text(key);
    auto all = at.texts(key);
    auto out = !found || one.empty() ? all : std::vector<std::string>{one};
    for (size_t i = 0; i < out.size(); ++i)
      if (std::ranges::find(policy_names, out[i]) == policy_names.end())
        at.say(severity::error, key,
               fmt::format("{}: unknown policy {}{}", key, in_quotes(out[i]),
                           not_served),
               "write always, if-not-present or never");
    return out;
  }

  void read_policies(docker_config& into) const {
    if (auto given = policies("pull_policy"); !given.empty())
      into.pull_policies = std::move(given);
    into.allowed_pull_policies = policies("allowed_pull_policies");
    auto usable = [&](const std::string& x) {
      return std::ranges::find(into.allowed_pull_policies, x)
             != into.allowed_pull_policies.end();
    };
    if (!into.allowed_pull_policies.empty()
        && std::ranges::none_of(into.pull_policies, usable))
      at.say(severity::warning, "allowed_pull_policies",
             fmt::format("pull_policy ({}) is not among them: a job that names "
                         "no policy of its own fails",
                         fmt::join(into.pull_policies, ", ")),
             "add it to the list");
  }

  void read_images(docker_config& into) const {
    into.image = at.text("image");
    into.helper_image = at.text("helper_image");
    if (into.helper_image.find("CI_RUNNER_REVISION") != std::string::npos)
      at.say(severity::warning, "helper_image",
             "CI_RUNNER_REVISION is that of muster, for which GitLab has no "
             "helper image",
             "use ${CI_RUNNER_VERSION}: that is helper_image_version of "
             "[runners.muster]");
    if (auto flavor = at.text("helper_image_flavor"); !flavor.empty())
      into.helper_image_flavor = std::move(flavor);
    read_policies(into);
    into.allowed_images = at.texts("allowed_images");
    into.allowed_services = at.texts("allowed_services");
    into.allowed_privileged_images = at.texts("allowed_privileged_images");
    into.allowed_privileged_services = at.texts("allowed_privileged_services");
    into.user = at.text("user");
    into.allowed_users = at.texts("allowed_users");
    if (!into.user.empty() && !into.allowed_users.empty()
        && std::ranges::find(into.allowed_users, into.user)
             == into.allowed_users.end())
      at.say(severity::error, "user",
             fmt::format("user {} is not among allowed_users: every job would "
                         "fail{}",
                         in_quotes(into.user), not_served));
    into.disable_entrypoint_overwrite = at.flag("disable_entrypoint_overwrite");
    into.container_labels = at.text_map("container_labels");
    into.log_options = at.text_map("log_options");
    for (const auto& [name, value] : into.log_options)
      if (name != "env" && name != "labels")
        at.child("log_options")
          .say(
            severity::error, name,
            fmt::format("log_options: {} is not one of env and labels, which "
                        "are all there are{}",
                        in_quotes(name), not_served));
  }

  void read_services(docker_config& into) const {
    for (const auto& service : at.children("services")) {
      docker_service_config x{
        service.text("name"), service.text("alias"), service.texts("command"),
        service.texts("entrypoint"), service.texts("environment")};
      if (x.name.empty())
        service.say(
          severity::error, "name",
          fmt::format("a service of all jobs has no name{}", not_served),
          "write name = \"postgres:16\"");
      auto number = std::erase_if(x.environment, [](const std::string& entry) {
        return entry.find('=') == std::string::npos;
      });
      if (number > 0)
        service.say(severity::warning, "environment",
                    "environment has an entry without '=': it has no effect",
                    "write entries like \"NAME=value\"");
      into.services.push_back(std::move(x));
    }
    auto limit = at.integer("services_limit", -1);
    if (limit < -1)
      at.say(severity::warning, "services_limit",
             fmt::format("services_limit {} is taken for -1, no limit", limit),
             "write 0 for no service at all");
    into.services_max
      = static_cast<int>(std::clamp<int64_t>(limit, -1, 10'000));
    auto timeout = at.integer("wait_for_services_timeout", 30);
    constexpr int64_t day = 86'400;
    into.wait_for_services_timeout_s
      = timeout == 0 ? 30 : std::min(timeout, day);
  }

  void read_host(docker_config& into) const {
    into.host = at.text("host");
    if (!into.host.empty() && !is_engine_address(into.host))
      refuse("host",
             fmt::format("host {}: muster speaks with the Engine at the "
                         "instance over unix:///PATH or tcp://HOST:PORT",
                         in_quotes(into.host)),
             "remove the line: the Engine's own socket is taken");
    for (const auto* key : {"tls_verify", "tls_cert_path"})
      if (into.host.starts_with("tcp:")
          && (at.flag(key) || !at.text(key).empty()))
        at.say(severity::warning, key,
               fmt::format("{} has no effect: muster speaks no TLS with an "
                           "Engine",
                           key),
               "remove the lines: the Engine's own socket is taken");
  }

  /// Of profiles what their files had: a reload is to tell of these, too.
  void keep_written(docker_config& into) const {
    for (const auto* key : keys_in(at.path())) {
      std::string name{last_part(key->path)};
      auto value = at.json(name);
      if (!value.empty() && key->status == key_status::acted_on)
        into.written[name] = std::move(value);
    }
    for (const auto& [name, options] :
         {std::pair{"security_opt", &into.build.security_opt},
          std::pair{"services_security_opt",
                    &into.services_limits.security_opt}})
      if (!options->empty())
        into.written[name] = nlohmann::json(*options).dump();
  }
};

} // namespace

docker_config read_docker(const section& at, const load_options& options) {
  docker_config into;
  docker_reader from{at};
  from.read_host(into);
  constexpr auto pinned = "DOCKER_API_VERSION";
  if (options.variable)
    into.api_version = options.variable(pinned).value_or("");
  else if (const char* value = std::getenv(pinned))
    into.api_version = value;
  from.read_images(into);
  from.read_limits(into);
  from.read_kernel(into);
  from.read_network(into);
  from.read_volumes(into);
  from.read_services(into);
  from.keep_written(into);
  return into;
}

} // namespace muster
