#include "config/load.hpp"

#include <doctest/doctest.h>
#include <map>

using namespace muster;
using namespace std::chrono_literals;

namespace {

loaded_config load(const std::string& text,
                   check_mode mode = check_mode::strict) {
  load_options options;
  options.mode = mode;
  options.state_dir = "/state";
  options.timezone_exists
    = [](const std::string& name) { return name == "Europe/Berlin"; };
  options.variable = [](const std::string& name) -> std::optional<std::string> {
    if (name == "TOKEN")
      return "glrt-abc";
    return std::nullopt;
  };
  return parse_config(text, "config.toml", options);
}

const std::string head = "concurrent = 10\n[[runners]]\n"
                         "url = \"https://gitlab.example.com\"\n"
                         "token = \"$TOKEN\"\nexecutor = \"instance\"\n";
const std::string group = "[runners.autoscaler]\nplugin = \"local\"\n";

} // namespace

TEST_CASE("an empty file is a configuration with the documented defaults") {
  auto loaded = load("");
  CHECK(loaded.passed);
  CHECK(loaded.diagnostics.empty());
  CHECK_EQ(loaded.value.path, "config.toml");
  CHECK_EQ(loaded.value.concurrent, 1);
  CHECK_EQ(loaded.value.check_interval, 3s);
  CHECK_EQ(loaded.value.shutdown_timeout, 30s);
  CHECK_EQ(loaded.value.connection_max_age, 15min);
  CHECK_EQ(loaded.value.log_level, "info");
  CHECK_EQ(loaded.value.log_format, "runner");
  CHECK_EQ(loaded.value.muster.workers, 1);
  CHECK_EQ(loaded.value.muster.state_dir, "/state");
  CHECK(loaded.value.runners.empty());
}

TEST_CASE("a runner has the documented defaults") {
  auto loaded = load(head + group);
  CHECK(loaded.passed);
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  const auto& runner = loaded.value.runners[0];
  CHECK_EQ(runner.token.reveal(), "glrt-abc");
  CHECK_EQ(runner.limit, 0);
  CHECK_EQ(runner.request_concurrency, 1);
  CHECK_EQ(runner.unhealthy_requests_limit, 3);
  CHECK_EQ(runner.unhealthy_interval, 60min);
  CHECK_EQ(runner.final_update_retry_limit, 10);
  CHECK_EQ(runner.output_limit_bytes, 4096 * 1024);
  CHECK_EQ(runner.builds_dir, "builds");
  CHECK_EQ(runner.cache_dir, "cache");
  CHECK(!runner.custom_build_dir_enabled);
  CHECK(!runner.clean_git_config);
  REQUIRE(runner.autoscaler);
  const auto& scaling = *runner.autoscaler;
  CHECK_EQ(scaling.plugin_config_json, "null");
  CHECK_EQ(scaling.capacity_per_instance, 1);
  CHECK_EQ(scaling.instance_acquire_timeout, 15min);
  CHECK_EQ(scaling.update_interval, 1min);
  CHECK_EQ(scaling.update_interval_when_expecting, 2s);
  CHECK_EQ(scaling.failure_threshold, 3);
  CHECK_EQ(scaling.connector.keepalive, 30s);
  CHECK_EQ(scaling.connector.timeout, 10min);
  CHECK(scaling.policies.empty());
}

TEST_CASE("every key that is acted on reaches its field") {
  auto loaded = load(R"(
concurrent = 60
check_interval = 7
log_level = "debug"
log_format = "json"
shutdown_timeout = 300
connection_max_age = "1h"
[labels]
zone = "north"
tier = "one"
[muster]
workers = 2
state_dir = "/s"
helper_path = "/h"
[[runners]]
name = "n"
url = "http://[::1]:8080/gitlab"
id = 42
token = "t"
executor = "instance"
shell = "sh"
tls-ca-file = "/ca"
tls-cert-file = "/cert"
tls-key-file = "/key"
limit = 50
request_concurrency = 4
strict_check_interval = true
unhealthy_requests_limit = 5
unhealthy_interval = "2m"
job_status_final_update_retry_limit = 6
output_limit = 10
builds_dir = "b"
cache_dir = "c"
clone_url = "https://other"
environment = ["A=1", "B=x=y"]
pre_get_sources_script = "p1"
post_get_sources_script = "p2"
pre_build_script = "p3"
post_build_script = "p4"
debug_trace_disabled = true
safe_directory_checkout = true
clean_git_config = false
[runners.labels]
zone = "south"
[runners.custom_build_dir]
enabled = true
[runners.feature_flags]
FF_TIMESTAMPS = false
[runners.muster]
[runners.autoscaler]
plugin = "local"
capacity_per_instance = 5
max_use_count = 9
max_instances = 10
instance_ready_command = "true"
instance_acquire_timeout = "1m"
update_interval = "2m"
update_interval_when_expecting = "3s"
deletion_retry_interval = "4m"
shutdown_deletion_interval = "5s"
shutdown_deletion_retries = 6
failure_threshold = 7
delete_instances_on_shutdown = true
log_internal_ip = true
log_external_ip = true
[runners.autoscaler.connector_config]
os = "linux"
arch = "amd64"
protocol = "ssh"
protocol_port = 2222
username = "u"
password = "p"
key_path = "/k"
use_static_credentials = true
keepalive = "1m"
timeout = 1200000000000
use_external_addr = true
[[runners.autoscaler.policy]]
periods = ["* 8-17 * * mon-fri"]
timezone = "Europe/Berlin"
idle_count = 5
idle_time = "20m0s"
scale_factor = 1.5
scale_factor_limit = 8
preemptive_mode = false
[[runners.autoscaler.policy]]
scale_factor = 2
)");
  for (const auto& what : loaded.diagnostics)
    MESSAGE(format_diagnostic(what, loaded.source));
  CHECK(loaded.passed);
  for (const auto& what : loaded.diagnostics) // keys that wait for a plugin
    CHECK_EQ(what.level, severity::notice);
  const auto& value = loaded.value;
  CHECK_EQ(value.check_interval, 7s);
  CHECK_EQ(value.log_format, "json");
  CHECK_EQ(value.shutdown_timeout, 300s);
  CHECK_EQ(value.connection_max_age, 1h);
  CHECK_EQ(value.muster.workers, 2);
  CHECK_EQ(value.muster.state_dir, "/s");
  CHECK_EQ(value.muster.helper_path, "/h");
  REQUIRE_EQ(value.runners.size(), 1);
  const auto& runner = value.runners[0];
  CHECK_EQ(runner.id, 42);
  CHECK_EQ(runner.tls_key_file, "/key");
  CHECK_EQ(runner.limit, 50);
  CHECK_EQ(runner.request_concurrency, 4);
  CHECK(runner.strict_check_interval);
  CHECK_EQ(runner.unhealthy_interval, 2min);
  CHECK_EQ(runner.final_update_retry_limit, 6);
  CHECK_EQ(runner.output_limit_bytes, 10240);
  CHECK_EQ(runner.environment, std::vector<std::string>{"A=1", "B=x=y"});
  CHECK_EQ(runner.post_build_script, "p4");
  CHECK(runner.debug_trace_disabled);
  CHECK(runner.safe_directory_checkout);
  CHECK_EQ(runner.clean_git_config, false);
  CHECK(runner.custom_build_dir_enabled);
  CHECK_EQ(runner.feature_flags,
           std::map<std::string, bool>{{"FF_TIMESTAMPS", false}});
  CHECK_EQ(runner.labels, std::map<std::string, std::string>{
                            {"tier", "one"}, {"zone", "south"}});
  REQUIRE(runner.autoscaler);
  const auto& scaling = *runner.autoscaler;
  CHECK_EQ(scaling.capacity_per_instance, 5);
  CHECK_EQ(scaling.max_use_count, 9);
  CHECK_EQ(scaling.max_instances, 10);
  CHECK_EQ(scaling.instance_acquire_timeout, 1min);
  CHECK_EQ(scaling.update_interval_when_expecting, 3s);
  CHECK_EQ(scaling.deletion_retry_interval, 4min);
  CHECK_EQ(scaling.shutdown_deletion_interval, 5s);
  CHECK_EQ(scaling.shutdown_deletion_retries, 6);
  CHECK_EQ(scaling.failure_threshold, 7);
  CHECK(scaling.delete_instances_on_shutdown);
  CHECK(scaling.log_external_ip);
  CHECK_EQ(scaling.connector.protocol_port, 2222);
  CHECK_EQ(scaling.connector.password.reveal(), "p");
  CHECK_EQ(scaling.connector.keepalive, 1min);
  CHECK_EQ(scaling.connector.timeout, 20min);
  REQUIRE_EQ(scaling.policies.size(), 2);
  CHECK_EQ(scaling.policies[0].periods,
           std::vector<std::string>{"* 8-17 * * mon-fri"});
  CHECK_EQ(scaling.policies[0].timezone, "Europe/Berlin");
  CHECK_EQ(scaling.policies[0].idle_time, 20min);
  CHECK_EQ(scaling.policies[0].scale_factor, 1.5);
  CHECK_EQ(scaling.policies[0].preemptive_mode, false);
  CHECK_EQ(scaling.policies[1].periods, std::vector<std::string>{"* * * * *"});
  CHECK_EQ(scaling.policies[1].scale_factor, 2.0);
  CHECK(!scaling.policies[1].preemptive_mode);
}

TEST_CASE("keys are read in any letter case, the exact one first") {
  auto loaded = load("Concurrent = 3\n", check_mode::strict);
  CHECK(loaded.passed);
  CHECK_EQ(loaded.value.concurrent, 3);
  loaded = load("CONCURRENT = 3\nconcurrent = 4\n");
  CHECK_EQ(loaded.value.concurrent, 4);
  CHECK(!loaded.passed);
  REQUIRE_EQ(loaded.diagnostics.size(), 1);
  CHECK_EQ(loaded.diagnostics[0].line, 1);
}

TEST_CASE("a log level is taken in any letter case, as from the command line") {
  for (const std::string level : {"INFO", "Warning", "warn", "Trace"}) {
    CAPTURE(level);
    auto loaded
      = parse_config("log_level = \"" + level + "\"\n", "config.toml");
    for (const auto& x : loaded.diagnostics)
      CHECK_NE(x.key_path, "log_level");
    CHECK_EQ(loaded.value.log_level, level);
  }
}

TEST_CASE("plugin_config becomes JSON with its letter case and types") {
  auto loaded = load(head + group
                     + "[runners.autoscaler.plugin_config]\n"
                       "Name = \"A\"\nname = \"b\"\ncount = 3\nwhole = 3.0\n"
                       "part = 1.5\non = true\nlist = [1, \"x\"]\n"
                       "day = 1979-05-27\nwhen = 1979-05-27T07:32:00Z\n"
                       "[runners.autoscaler.plugin_config.Deep]\nx = {}\n");
  CHECK(loaded.passed);
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  CHECK_EQ(loaded.value.runners[0].autoscaler->plugin_config_json,
           R"({"Deep":{"x":{}},"Name":"A","count":3,"day":"1979-05-27",)"
           R"("list":[1,"x"],"name":"b","on":true,"part":1.5,)"
           R"("when":"1979-05-27T07:32:00Z","whole":3})");
}

TEST_CASE("variables expand as in Go") {
  auto lookup = [](const std::string& name) -> std::optional<std::string> {
    if (name == "A" || name == "1")
      return "<" + name + ">";
    return std::nullopt;
  };
  struct row {
    std::string text;
    const char* expected;
  };
  const row rows[] = {
    {"", ""},           {"x$A", "x<A>"},
    {"${A}x", "<A>x"},  {"$A_", ""},
    {"$", "$"},         {"a$ b", "a$ b"},
    {"${}x", "x"},      {"${A", "A"},
    {"$1A", "<1>A"},    {"${1}", "<1>"},
    {"$$x", "x"},       {"$none", ""},
    {"$A$A", "<A><A>"}, {"\xc3\xa4$\xc3\xa4", "\xc3\xa4$\xc3\xa4"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(expand_variables(r.text, lookup), r.expected);
  }
}

TEST_CASE("the examples are what they say they are") {
  load_options options;
  options.mode = check_mode::strict;
  options.variable
    = [](const std::string&) { return std::optional<std::string>{"glrt-x"}; };
  auto local = load_config(MUSTER_EXAMPLES "/local.toml", options);
  CHECK(local.passed);
  CHECK_EQ(local.value.runners.size(), 1);
  auto aws = load_config(MUSTER_EXAMPLES "/aws.toml", options);
  CHECK(aws.passed);
  REQUIRE_EQ(aws.value.runners.size(), 1);
  CHECK_EQ(aws.value.runners[0].autoscaler->plugin, "aws");
}

TEST_CASE("limits of a job's parts are read, and what cannot be is none") {
  auto loaded = load(head
                     + "prepare_timeout = \"5m\"\nget_sources_timeout = "
                       "\"90s\"\n[runners.artifact]\nupload_timeout = "
                       "\"2h\"\nresponse_header_timeout = \"30s\"\n"
                     + group);
  CHECK(loaded.passed);
  const auto& runner = loaded.value.runners.at(0);
  CHECK_EQ(runner.prepare_timeout, 5min);
  CHECK_EQ(runner.get_sources_timeout, 90s);
  CHECK_EQ(runner.artifact_upload_timeout, 2h);
  CHECK_EQ(runner.artifact_response_header_timeout, 30s);
  loaded = load(head
                + "prepare_timeout = \"0s\"\nget_sources_timeout = "
                  "\"-1m\"\n"
                + group);
  size_t warnings = 0;
  for (const auto& what : loaded.diagnostics)
    warnings += what.level == severity::warning;
  CHECK_EQ(warnings, 2);
  CHECK_FALSE(loaded.value.runners.at(0).prepare_timeout);
  CHECK_FALSE(loaded.value.runners.at(0).get_sources_timeout);
  loaded = load(head + group);
  CHECK_FALSE(loaded.value.runners.at(0).prepare_timeout);
  CHECK_EQ(loaded.value.runners.at(0).artifact_upload_timeout, 1h);
  CHECK_EQ(loaded.value.runners.at(0).artifact_response_header_timeout, 10min);
}

TEST_CASE("a common build folder is for instances of one job") {
  const std::string wish = "[runners.instance]\nuse_common_build_dir = true\n";
  auto loaded = load(head + group + "max_use_count = 1\n" + wish);
  CHECK(loaded.passed);
  CHECK(loaded.value.runners.at(0).use_common_build_dir);
  loaded = load(head + group + "max_use_count = 2\n" + wish);
  CHECK_FALSE(loaded.passed);
  CHECK_FALSE(loaded.value.runners.at(0).use_common_build_dir);
  CHECK_FALSE(load(head + group).value.runners.at(0).use_common_build_dir);
}

TEST_CASE("the times of a token are read in any zone, and the year 1 is none") {
  struct row {
    const char* text;
    int64_t at;
  };
  const row rows[] = {
    {"2023-11-14T22:13:20Z", 1'700'000'000},
    {"2023-11-15T00:13:20.5+02:00", 1'700'000'000},
    {"2023-11-14 22:13:20", 1'700'000'000},
    {"2023-11-14", 1'699'920'000},
    {"0001-01-01T00:00:00Z", 0},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    load_options options;
    options.state_dir = "/state";
    options.variable = [](const std::string&) { return "glrt-env"; };
    auto loaded = parse_config(
      std::string{"[[runners]]\nurl = \"http://a\"\ntoken = \"$T\"\n"
                  "executor = \"instance\"\ntoken_expires_at = "}
        + r.text + "\n[runners.autoscaler]\nplugin = \"local\"\n",
      "config.toml", options);
    REQUIRE_EQ(loaded.value.runners.size(), 1);
    CHECK_EQ(loaded.value.runners[0].token_expires_at, r.at);
    CHECK_EQ(loaded.value.runners[0].token_obtained_at, 0);
    CHECK_FALSE(loaded.value.runners[0].token_is_literal);
  }
}
