#include "tools/muster/plugins.hpp"

#include "actors/group/time_zone.hpp"
#include "actors/group/week.hpp"
#include "providers/fleeting/fleeting_group.hpp"
#include "providers/fleeting/lookup.hpp"
#include "providers/local/local_group.hpp"
#include "providers/static/static_group.hpp"
#include "tools/muster/built_in.hpp"
#include "tools/muster/connector.hpp"

#include <cstdlib>

namespace muster {

namespace {

std::string obstacle_of(const std::string& plugin, plugin_trial trial) {
  if (is_built_in(plugin))
    return "";
  if (trial == plugin_trial::start)
    return fleeting::try_plugin(plugin);
  auto found = fleeting::find_plugin(plugin, fleeting::places_of_host());
  return found ? "" : found.error().text;
}

/// In the week at hand. Periods and zones that are wrong have their own errors.
std::vector<std::string>
gaps_between(const std::vector<policy_config>& policies) {
  auto made = schedule::make(policies);
  auto zone = zone_of(policies);
  auto monday = monday_of(
    std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
    zone);
  if (!made || !monday)
    return {};
  auto week = week_of(*made, *monday, zone);
  return week ? gaps_of(blocks_of(*week)) : std::vector<std::string>{};
}

make_instance_group local_maker(const config& cfg,
                                const autoscaler_config& with) {
  // That they can be read was seen when the configuration was.
  auto options = *local::parse_options(with.plugin_config_json);
  auto connector = with.connector;
  auto state_dir = cfg.muster.state_dir;
  return [options, connector, state_dir] {
    return std::make_unique<local_group>(options, connector, state_dir);
  };
}

make_instance_group static_maker(const config& cfg,
                                 const autoscaler_config& with) {
  auto options = *given::parse_options(with.plugin_config_json);
  auto connector = with.connector;
  auto state_dir = cfg.muster.state_dir;
  return [options, connector, state_dir] {
    return std::make_unique<static_group>(options, connector, state_dir,
                                          read_private_key);
  };
}

make_instance_group fleeting_maker(const config& cfg,
                                   const runner_config& runner) {
  fleeting::group_options options;
  options.plugin.plugin = runner.autoscaler->plugin;
  options.plugin.state_dir = cfg.muster.state_dir;
  options.plugin.log_fields
    = {{"runner", short_token(runner.token)}, {"runner_name", runner.name}};
  options.config_json = runner.autoscaler->plugin_config_json;
  options.connector = runner.autoscaler->connector;
  options.read_key = read_private_key;
  return [options] { return std::make_unique<fleeting_group>(options); };
}

make_instance_group instances_of(const config& cfg,
                                 const runner_config& runner) {
  const auto& with = *runner.autoscaler;
  if (with.plugin == "local")
    return local_maker(cfg, with);
  if (with.plugin == "static")
    return static_maker(cfg, with);
  return fleeting_maker(cfg, runner);
}

} // namespace

std::optional<std::string> variable_or_placeholder(const std::string& name) {
  if (name == "DOCKER_API_VERSION") // is no part of a file
    return std::nullopt;
  if (const char* value = std::getenv(name.c_str()))
    return value;
  std::string host;
  for (auto c : name)
    host += c == '_' ? '-' : c;
  return "https://" + host + ".not-set";
}

load_options with_plugins(check_mode mode, plugin_trial trial) {
  load_options out;
  out.timezone_exists
    = [](const std::string& name) { return find_zone(name).has_value(); };
  out.mode = mode;
  out.plugin_obstacle
    = [trial](const std::string& plugin) { return obstacle_of(plugin, trial); };
  out.plugin_fault = [](const std::string& plugin,
                        const std::string& plugin_config) -> std::string {
    if (plugin == "static") {
      auto read = given::parse_options(plugin_config);
      return read ? "" : read.error().text;
    }
    if (plugin != "local")
      return "";
    auto read = local::parse_options(plugin_config);
    return read ? "" : read.error().text;
  };
  out.plugin_group = [](const std::string& plugin,
                        const std::string& plugin_config) -> std::string {
    if (plugin == "static") {
      auto read = given::parse_options(plugin_config);
      return read ? read->name : "";
    }
    auto read = plugin == "local" ? local::parse_options(plugin_config)
                                  : local::options{};
    return plugin == "local" && read ? read->name : "";
  };
  out.connector_faults = connector_faults;
  if (mode != check_mode::run)
    out.policy_gaps = gaps_between;
  out.plugin_instances_max = [](const std::string& plugin,
                                const std::string& plugin_config) -> int64_t {
    if (plugin == "static") {
      auto read = given::parse_options(plugin_config);
      return read ? static_cast<int64_t>(read->hosts.size()) : 0;
    }
    auto read = plugin == "local" ? local::parse_options(plugin_config)
                                  : local::options{};
    return read && read->max_size != local::no_limit ? read->max_size : 0;
  };
  return out;
}

start_provider_actor group_maker(const config& cfg, const runner_config& runner,
                                 const std::shared_ptr<runner_metrics>& told) {
  return provider_starter(instances_of(cfg, runner), cfg.shutdown_timeout,
                          told);
}

} // namespace muster
