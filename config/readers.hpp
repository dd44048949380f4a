#pragma once

#include "config/load.hpp"
#include "config/section.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

// The parts of load.cpp. What a reader reports as an error concerns the runner
// being read alone: it is not served then.

/// Parses TOML. Returns nothing if it is none; why is reported.
std::optional<toml::table> parse_toml(const std::string& source,
                                      const std::string& path, report& out);

/// Reads a file that was parsed; null: it could not be, as is reported already.
/// `source` is left empty.
loaded_config read_table(const toml::table* file, const std::string& path,
                         const load_options& options, report& out);

/// A runner as read, and where it stands for what is said about it later.
struct runner_entry {
  runner_config value;
  section at;
};

/// Reads one `[[runners]]`. Returns nothing if it cannot be served; why is
/// reported.
std::optional<runner_config>
read_runner(const section& runner,
            const std::map<std::string, std::string>& global_labels,
            const load_options& options, report& out);

/// Reads `[runners.autoscaler]`. `key_passphrase` is that of
/// `[runners.muster]`.
autoscaler_config read_autoscaler(const section& autoscaler,
                                  const load_options& options,
                                  secret key_passphrase = {});

/// Reads `[runners.docker]`, and DOCKER_API_VERSION of the environment.
docker_config read_docker(const section& docker, const load_options& options);

/// The words of docker's `--gpus`. Errors: `not_valid`.
result<docker_gpus, config_errc> parse_gpus(std::string_view text);

/// `4m`, `2g`: a number with a unit of bytes; -1. Errors: `not_valid`.
result<int64_t, config_errc> parse_memory(std::string_view text);

/// A rational number of processors, as 10^-9 of one. Errors: `not_valid`.
result<int64_t, config_errc> parse_cpus(std::string_view text);

/// `HOST[:CONTAINER[:PERMISSIONS]]`. Errors: `not_valid`.
result<docker_device, config_errc> parse_device(std::string_view text);

/// Of IPv4 or IPv6.
bool is_ip_address(const std::string& text);

/// Why the Engine would not take `NAME:ADDRESS` of `extra_hosts`, a rule like
/// `c 42:* rmw` of `device_cgroup_rules`, the mode of an entry of `volumes`;
/// empty if it would.
std::string host_entry_problem(std::string_view text);
std::string device_rule_problem(std::string_view text);
std::string volume_mode_problem(std::string_view text);

/// Reads `[runners.cache]`, with credentials that stand in a file or in the
/// environment. What cannot be used is a warning: caches are local then.
cache_config read_cache(const section& cache, const load_options& options);

/// Checks cron windows and a time zone. Returns the zone as `policy_config`
/// wants it: the process's own is empty.
std::string read_timezone(const section& at, const load_options& options);
void check_periods(const section& at);

/// Checks names and values of `labels`; a bad one is fatal, as it is for GitLab
/// Runner.
void check_labels(const section& at);

/// Warns of values that are each fine and do not go together.
void check_runner_sense(const runner_entry& runner);
void check_file_sense(const config& value, const section& file,
                      const std::vector<runner_entry>& runners);

/// Appended to each error about a runner.
inline constexpr auto not_served = "; the runner is not served";

} // namespace muster
