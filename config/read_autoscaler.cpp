#include "config/duration.hpp"
#include "config/keys.hpp"
#include "config/period.hpp"
#include "config/readers.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <sstream>

namespace muster {

namespace {

using namespace std::chrono_literals;

// What one manager can serve; the product of the first two fits an int.
constexpr int64_t capacity_max = 10'000;
constexpr int64_t instances_max = 200'000;
constexpr int64_t idle_max = 2'000'000'000;

std::string read_plugin_config(const section& autoscaler) {
  auto at = autoscaler.find("plugin_config");
  return at && at.value->is_table() ? autoscaler.json("plugin_config") : "null";
}

void check_plugin(const section& autoscaler, const std::string& plugin,
                  const load_options& options) {
  if (plugin.empty()) {
    autoscaler.say(
      severity::error, "plugin",
      fmt::format("[runners.autoscaler] names no plugin{}", not_served),
      "write plugin = \"local\" for instances on this machine, or \"static\" "
      "for "
      "given hosts");
    return;
  }
  auto obstacle
    = options.plugin_obstacle ? options.plugin_obstacle(plugin) : "";
  if (obstacle.empty())
    return;
  if (options.mode == check_mode::run)
    autoscaler.say(severity::warning, "plugin",
                   one_line(obstacle) + "; it is tried again");
  else
    autoscaler.say(severity::error, "plugin", one_line(obstacle));
}

/// A plugin alone knows what may stand in its table.
void check_plugin_config(const section& autoscaler,
                         const autoscaler_config& read,
                         const load_options& options) {
  if (!options.plugin_fault)
    return;
  auto fault = options.plugin_fault(read.plugin, read.plugin_config_json);
  if (!fault.empty())
    autoscaler.say(severity::error, "plugin_config",
                   one_line(fault) + not_served);
}

int64_t plugin_instances_max(const autoscaler_config& read,
                             const load_options& options) {
  if (!options.plugin_instances_max)
    return 0;
  return options.plugin_instances_max(read.plugin, read.plugin_config_json);
}

void check_protocol(const section& connector, const std::string& protocol) {
  if (protocol.empty() || protocol == "ssh")
    return;
  bool known = protocol == "winrm" || protocol == "winrm+https";
  connector.say(severity::error, "protocol",
                known ? fmt::format("protocol {} is not supported yet{}",
                                    in_quotes(protocol), not_served)
                      : fmt::format("unknown protocol {}{}",
                                    in_quotes(protocol), not_served),
                "write protocol = \"ssh\", or remove the line");
}

/// Scripts go to a POSIX shell over SSH; other words are the provider's.
void check_os(const section& connector, const std::string& os) {
  if (same_ignoring_case(os, "windows"))
    connector.say(severity::error, "os",
                  fmt::format("os {} is not supported yet: instances need a "
                              "POSIX shell{}",
                              in_quotes(os), not_served),
                  "write os = \"linux\", or remove the line");
}

connector_config read_connector(const section& at) {
  connector_config into;
  into.os = at.text("os");
  check_os(at, into.os);
  into.arch = at.text("arch");
  into.protocol = at.text("protocol");
  check_protocol(at, into.protocol);
  auto port = at.integer("protocol_port", 0);
  if (port < 0 || port > 65'535)
    at.say(severity::error, "protocol_port",
           fmt::format("protocol_port = {} is no port (1 to 65535; 0: the "
                       "protocol's own){}",
                       port, not_served));
  else
    into.protocol_port = static_cast<int>(port);
  into.username = at.text("username");
  into.password = secret{at.text("password")};
  into.key_path = at.text("key_path");
  into.use_static_credentials = at.flag("use_static_credentials");
  into.keepalive = at.duration("keepalive", into.keepalive);
  into.timeout = at.duration("timeout", into.timeout);
  into.use_external_addr = at.flag("use_external_addr");
  if (into.use_static_credentials && into.username.empty())
    at.say(severity::error, "use_static_credentials",
           fmt::format("use_static_credentials needs a username{}", not_served),
           "write username = \"...\" beside it");
  else if (into.use_static_credentials && into.password.empty()
           && into.key_path.empty())
    at.say(severity::warning, "use_static_credentials",
           "use_static_credentials without password and key_path: the password "
           "is empty");
  return into;
}

/// The group would not start.
void check_max_instances(const section& at, const autoscaler_config& read) {
  if (read.plugin_instances_max > 0
      && read.max_instances > read.plugin_instances_max)
    at.say(severity::error, "max_instances",
           fmt::format("max size option exceeds instance group's max size: {} "
                       "> {}{}",
                       read.max_instances, read.plugin_instances_max,
                       not_served),
           fmt::format("write max_instances = {}, or remove the line",
                       read.plugin_instances_max));
}

/// Whoever reaches the instances knows what it needs for that.
void check_connector(const section& autoscaler, const autoscaler_config& read,
                     const load_options& options) {
  if (!options.connector_faults)
    return;
  auto at = autoscaler.child("connector_config");
  for (const auto& fault : options.connector_faults(read)) {
    auto served = fault.may_heal && options.mode == check_mode::run;
    const section& where = at.find(fault.key) ? at : autoscaler;
    where.say(
      served ? severity::warning : severity::error,
      where.find(fault.key) ? fault.key : "plugin",
      one_line(fault.text)
        + (served ? "; the group is tried again until it works" : not_served));
  }
}

void check_idle_time(const section& at) {
  auto found = at.find("idle_time");
  auto value = found ? read_duration(*found.value) : std::nullopt;
  // A bare number that small has its own warning.
  if (value && *value < 1s && !found.value->is_integer())
    at.say(severity::warning, "idle_time",
           fmt::format("idle_time = \"{}\" is less than a second: idle "
                       "instances are removed at once",
                       format_duration(*value)),
           "write it like idle_time = \"20m0s\"");
}

double read_scale_factor(const section& at) {
  auto factor = at.number("scale_factor", 0);
  if (std::isfinite(factor) && factor >= 0)
    return factor;
  at.say(severity::warning, "scale_factor",
         fmt::format("scale_factor = {} is no number of 0 or more: 0 is taken",
                     factor));
  return 0;
}

policy_config read_policy(const section& at, const load_options& options) {
  policy_config into;
  check_periods(at);
  if (auto periods = at.texts("periods"); !periods.empty())
    into.periods = std::move(periods);
  into.timezone = read_timezone(at, options);
  into.idle_count = at.small_count("idle_count", {.max = idle_max});
  check_idle_time(at);
  into.idle_time = at.duration("idle_time", into.idle_time);
  into.scale_factor = read_scale_factor(at);
  into.scale_factor_limit
    = at.small_count("scale_factor_limit", {.max = idle_max});
  into.preemptive_mode = at.optional_flag("preemptive_mode");
  return into;
}

/// -1 is no limit; a burst of zero is all that there may be.
void read_throttle(const section& at, autoscaler_config& into) {
  auto limit = at.integer("limit", 0);
  if (limit < -1)
    at.say(severity::warning, "limit",
           fmt::format("limit = {} is no number of instances a second: 100 is "
                       "taken",
                       limit),
           "write limit = -1 for no limit");
  into.scale_limit
    = limit == -1
        ? 0
        : static_cast<int>(limit <= 0 ? 100 : std::min(limit, instances_max));
  into.scale_burst = at.small_count("burst", {.max = instances_max});
  if (into.scale_burst == 0)
    into.scale_burst
      = into.max_instances > 0 ? into.max_instances : into.scale_limit;
}

constexpr size_t buckets_max = 100;

/// Bounds of a histogram; those that cannot be used are as if they were not
/// there. Prometheus adds the last one, infinity, itself.
std::vector<double> read_buckets(const section& at, const char* name,
                                 std::vector<double> fallback) {
  auto bounds = at.numbers(name);
  if (!bounds.empty() && std::isinf(bounds.back()) && bounds.back() > 0)
    bounds.pop_back();
  if (bounds.empty())
    return fallback;
  auto rise = std::adjacent_find(bounds.begin(), bounds.end(),
                                 [](double a, double b) { return !(a < b); })
              == bounds.end();
  auto finite = std::all_of(bounds.begin(), bounds.end(),
                            [](double x) { return std::isfinite(x); });
  if (rise && finite && bounds.size() <= buckets_max)
    return bounds;
  at.say(severity::warning, name,
         rise && finite
           ? fmt::format("{} has more than {} bounds: it is not used", name,
                         buckets_max)
           : fmt::format("the bounds of {} do not rise from one to the next: "
                         "it is not used",
                         name),
         fmt::format("write {} = [1, 5, 30, 120], for example", name));
  return fallback;
}

time_buckets read_all_buckets(const section& at) {
  auto all = read_buckets(at, "instance_operation_time_buckets", {});
  return {read_buckets(at, "instance_creation_time_buckets", all),
          read_buckets(at, "instance_is_running_time_buckets", all),
          read_buckets(at, "instance_deletion_time_buckets", all),
          read_buckets(at, "instance_readiness_time_buckets", all),
          read_buckets(at, "instance_life_duration_buckets", {})};
}

/// The state is that of the whole manager; see `take_state_folder`.
void read_state_storage(const section& at, autoscaler_config& into) {
  into.keep_instance_with_acquisitions
    = at.flag("keep_instance_with_acquisitions");
  auto folder = at.text("dir");
  if (!at.flag("enabled") || folder.empty())
    return;
  std::error_code ignored;
  into.state_dir = std::filesystem::absolute(folder, ignored).string();
}

bool zone_file_exists(const std::string& name) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_+-/";
  if (name.empty() || name.front() == '/'
      || name.find_first_not_of(allowed) != std::string::npos)
    return false;
  std::error_code error;
  return std::filesystem::is_regular_file("/usr/share/zoneinfo/" + name, error);
}

/// A gap may be meant; then it is good to know what happens in it.
void check_gaps(const section& autoscaler,
                const std::vector<policy_config>& policies,
                const load_options& options) {
  if (!options.policy_gaps || policies.empty())
    return;
  constexpr size_t shown_max = 4;
  auto gaps = options.policy_gaps(policies);
  if (gaps.empty())
    return;
  auto more = gaps.size() > shown_max ? gaps.size() - shown_max : 0;
  gaps.resize(gaps.size() - more);
  autoscaler.say(
    severity::notice, "policy",
    fmt::format(
      "this week no policy is in force {}{}: nothing is kept idle then, and "
      "instances go after 5 minutes",
      fmt::join(gaps, ", "),
      more > 0 ? fmt::format(" and {} more times", more) : ""),
    "a first policy without periods is in force whenever no other is");
}

/// A field of it has no value at all.
bool is_empty(const period& x) {
  return x.minutes.none() || x.hours.none() || x.days.none() || x.months.none()
         || x.weekdays.none();
}

void check_isolation(const section& autoscaler) {
  auto isolation = autoscaler.child("vm_isolation");
  if (isolation.flag("enabled"))
    isolation.say(
      severity::error, "enabled",
      fmt::format("vm_isolation is not supported yet, and jobs must "
                  "not run without it when it is asked for{}",
                  not_served));
}

} // namespace

void check_periods(const section& at) {
  size_t index = 0;
  for (const auto& text : at.texts("periods")) {
    auto say = [&](severity level, std::string message, std::string hint = "") {
      at.say_of_element(level, "periods", index, std::move(message),
                        std::move(hint));
    };
    auto parsed = parse_period(text);
    if (!parsed)
      say(severity::error,
          fmt::format("period {}: {}{}", in_quotes(text),
                      one_line(parsed.error().text), not_served),
          "write five fields, minute hour day month weekday, like "
          "\"* 8-17 * * mon-fri\"");
    else if (never_matches(*parsed))
      say(severity::warning,
          fmt::format("period {} never matches: {}", in_quotes(text),
                      is_empty(*parsed)
                        ? "a step takes the values that it divides"
                        : "its months have no such day"));
    else if (parsed->wraps)
      say(severity::notice, one_line(wrap_notice(text)));
    ++index;
  }
}

std::string read_timezone(const section& at, const load_options& options) {
  auto name = at.text("timezone");
  if (name.empty() || name == "Local")
    return "";
  auto known = options.timezone_exists ? options.timezone_exists(name)
                                       : zone_file_exists(name);
  if (!known)
    at.say(severity::error, "timezone",
           fmt::format("loading timezone: unknown time zone {}{}",
                       in_quotes(name), not_served),
           "write a name such as \"Europe/Berlin\" or \"UTC\"; they come with "
           "the package tzdata");
  return name;
}

autoscaler_config read_autoscaler(const section& at,
                                  const load_options& options,
                                  secret key_passphrase) {
  autoscaler_config into;
  into.plugin = at.text("plugin");
  check_plugin(at, into.plugin, options);
  check_isolation(at);
  into.plugin_config_json = read_plugin_config(at);
  check_plugin_config(at, into, options);
  into.plugin_instances_max = plugin_instances_max(into, options);
  if (options.plugin_group)
    into.group_name
      = options.plugin_group(into.plugin, into.plugin_config_json);
  into.capacity_per_instance = at.small_count(
    "capacity_per_instance", {.fallback = 1, .min = 1, .max = capacity_max});
  into.max_use_count = at.small_count("max_use_count", {});
  into.max_instances = at.small_count("max_instances", {.max = instances_max});
  check_max_instances(at, into);
  into.instance_ready_command = at.text("instance_ready_command");
  for (auto [name, field] : {
         std::pair{"instance_acquire_timeout", &into.instance_acquire_timeout},
         std::pair{"update_interval", &into.update_interval},
         std::pair{"update_interval_when_expecting",
                   &into.update_interval_when_expecting},
         std::pair{"deletion_retry_interval", &into.deletion_retry_interval},
         std::pair{"shutdown_deletion_interval",
                   &into.shutdown_deletion_interval},
       })
    *field = at.duration(name, *field);
  into.shutdown_deletion_retries
    = at.small_count("shutdown_deletion_retries", {.fallback = 3, .min = 1});
  into.failure_threshold
    = at.small_count("failure_threshold", {.fallback = 3, .min = 1});
  into.delete_instances_on_shutdown = at.flag("delete_instances_on_shutdown");
  into.log_internal_ip = at.flag("log_internal_ip");
  into.log_external_ip = at.flag("log_external_ip");
  into.reservation_throttling = at.flag("reservation_throttling", true);
  into.buckets = read_all_buckets(at);
  read_state_storage(at.child("state_storage"), into);
  read_throttle(at.child("scale_throttle"), into);
  into.connector = read_connector(at.child("connector_config"));
  into.connector.key_passphrase = std::move(key_passphrase);
  check_connector(at, into, options);
  for (const auto& policy : at.children("policy"))
    into.policies.push_back(read_policy(policy, options));
  check_gaps(at, into.policies, options);
  return into;
}

} // namespace muster
