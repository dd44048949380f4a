#include "config/load.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace muster;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// The keys that GitLab's page on the instance executor shows for a cloud: what
/// its users have today.
struct example {
  const char* what;
  const char* plugin;
  int capacity;
  int uses;
  const char* plugin_config; ///< lines of the table
  json passed_on;            ///< the same, as the plugin is to get it
  const char* connector;     ///< lines of the table
  const char* username;
  std::chrono::milliseconds timeout;
};

const auto aws_keys = "config_file      = \"/home/user/.aws/config\"\n"
                      "profile          = \"default\" # optional\n"
                      "credentials_file = \"/home/user/.aws/credentials\"\n";
const auto google_keys
  = "project          = \"my-gcp-project\"\n"
    "zone             = \"europe-west1-c\"\n"
    "credentials_file = "
    "\"/home/user/.config/gcloud/application_default_credentials.json\"\n";
const auto azure_keys
  = "subscription_id     = \"9b3c4602-cde2-4089-bed8-889e5a3e7102\"\n"
    "resource_group_name = \"my-resource-group\"\n";

const json aws{{"config_file", "/home/user/.aws/config"},
               {"profile", "default"},
               {"credentials_file", "/home/user/.aws/credentials"}};
const json google{{"project", "my-gcp-project"},
                  {"zone", "europe-west1-c"},
                  {"credentials_file", "/home/user/.config/gcloud/"
                                       "application_default_credentials.json"}};
const json azure{{"subscription_id", "9b3c4602-cde2-4089-bed8-889e5a3e7102"},
                 {"resource_group_name", "my-resource-group"}};

/// Linux and Windows differ in the user's name alone.
const example examples[] = {
  {"AWS, a job an instance", "aws", 1, 1, aws_keys, aws,
   "username = \"ec2-user\"\n", "ec2-user", 10min},
  {"AWS, five jobs, Windows", "aws", 5, 0, aws_keys, aws,
   "username = \"Administrator\"\ntimeout = \"5m0s\"\n", "Administrator", 5min},
  {"Google Cloud, a job an instance", "googlecloud", 1, 1, google_keys, google,
   "username = \"runner\"\n", "runner", 10min},
  {"Google Cloud, five jobs, Windows", "googlecloud", 5, 0, google_keys, google,
   "username = \"Administrator\"\ntimeout = \"5m0s\"\n", "Administrator", 5min},
  {"Azure, a job an instance", "azure", 1, 1, azure_keys, azure,
   "username = \"runner\"\npassword = \"my-scale-set-static-password\"\n"
   "use_static_credentials = true\ntimeout = \"10m\"\n",
   "runner", 10min},
  {"Azure, five jobs, Windows", "azure", 5, 0, azure_keys, azure,
   "username = \"Administrator\"\n"
   "password = \"my-scale-set-static-password\"\n"
   "use_static_credentials = true\ntimeout = \"10m\"\n",
   "Administrator", 10min},
};

std::string text_of(const example& x) {
  return fmt::format("concurrent = {}\n\n"
                     "[[runners]]\n"
                     "  name = \"instance autoscaler example\"\n"
                     "  url = \"https://gitlab.com\"\n"
                     "  token = \"glrt-x\"\n"
                     "  shell = \"sh\"\n"
                     "  executor = \"instance\"\n"
                     "  [runners.autoscaler]\n"
                     "    plugin = \"{}\"\n"
                     "    capacity_per_instance = {}\n"
                     "    max_use_count = {}\n"
                     "    max_instances = 10\n"
                     "    [runners.autoscaler.plugin_config]\n"
                     "name = \"my-group\"\n{}"
                     "    [runners.autoscaler.connector_config]\n"
                     "use_external_addr = true\n{}"
                     "    [[runners.autoscaler.policy]]\n"
                     "      idle_count = 5\n"
                     "      idle_time = \"20m0s\"\n",
                     10 * x.capacity, x.plugin, x.capacity, x.uses,
                     x.plugin_config, x.connector);
}

/// That page's example for Macs with virtual machines.
std::string mac_text(const std::string& isolation) {
  return "concurrent = 8\n"
         "[[runners]]\n"
         "  name = \"macos applesilicon autoscaler example\"\n"
         "  url = \"https://gitlab.com\"\n"
         "  token = \"glrt-x\"\n"
         "  executor = \"instance\"\n"
         "  [runners.instance]\n"
         "    allowed_images = [\"*\"]\n"
         "  [runners.autoscaler]\n"
         "    capacity_per_instance = 2\n"
         "    max_use_count = 0\n"
         "    max_instances = 4\n"
         "    plugin = \"aws\"\n"
         "    [[runners.autoscaler.policy]]\n"
         "      idle_count = 2\n"
         "      idle_time  = \"24h\"\n"
         "    [runners.autoscaler.connector_config]\n"
         "      username = \"ec2-user\"\n"
         "      timeout  = \"1h\"\n"
         "    [runners.autoscaler.plugin_config]\n"
         "      name = \"mac2metal\"\n"
         "      region = \"us-west-2\"\n"
         + isolation;
}

loaded_config check(const std::string& text) {
  load_options options;
  options.mode = check_mode::check;
  options.state_dir = "/state";
  options.plugin_fault
    = [](const std::string&, const std::string&) { return std::string{}; };
  return parse_config(text, "config.toml", options);
}

} // namespace

TEST_CASE("what GitLab's page on the instance executor shows is understood") {
  for (const auto& x : examples) {
    CAPTURE(x.what);
    auto loaded = check(text_of(x));
    for (const auto& what : loaded.diagnostics)
      CHECK_MESSAGE(what.level < severity::warning, what.message);
    REQUIRE_EQ(loaded.value.runners.size(), 1);
    REQUIRE(loaded.value.runners[0].autoscaler);
    const auto& scaling = *loaded.value.runners[0].autoscaler;
    CHECK_EQ(loaded.value.concurrent, 10 * x.capacity);
    CHECK_EQ(scaling.plugin, x.plugin);
    CHECK_EQ(scaling.capacity_per_instance, x.capacity);
    CHECK_EQ(scaling.max_use_count, x.uses);
    CHECK_EQ(scaling.max_instances, 10);
    auto passed_on = x.passed_on;
    passed_on["name"] = "my-group";
    CHECK_EQ(json::parse(scaling.plugin_config_json), passed_on);
    CHECK_EQ(scaling.connector.username, x.username);
    CHECK_EQ(scaling.connector.timeout, x.timeout);
    CHECK(scaling.connector.use_external_addr);
    CHECK_EQ(scaling.connector.use_static_credentials,
             std::string_view{x.plugin} == "azure");
    REQUIRE_EQ(scaling.policies.size(), 1);
    CHECK_EQ(scaling.policies[0].idle_count, 5);
    CHECK_EQ(scaling.policies[0].idle_time, 20min);
  }
}

TEST_CASE("virtual machines on instances are refused by name, and no other "
          "runner with them") {
  const std::string isolation
    = "    [runners.autoscaler.vm_isolation]\n"
      "      enabled = true\n"
      "      nesting_host = \"unix:///Users/ec2-user/nesting.sock\"\n"
      "    [runners.autoscaler.vm_isolation.connector_config]\n"
      "      username = \"nested-vm-username\"\n"
      "      password = \"nested-vm-password\"\n"
      "      timeout  = \"20m\"\n";
  auto loaded = check(mac_text(isolation) + text_of(examples[0]).substr(17));
  auto is_error
    = [](const diagnostic& x) { return x.level >= severity::error; };
  REQUIRE_EQ(std::ranges::count_if(loaded.diagnostics, is_error), 1);
  auto error = std::ranges::find_if(loaded.diagnostics, is_error);
  CHECK_NE(error->message.find("vm_isolation is not supported yet"),
           std::string::npos);
  CHECK_NE(error->message.find("not served"), std::string::npos);
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  CHECK_EQ(loaded.value.runners[0].name, "instance autoscaler example");
}

TEST_CASE("the same without them is understood") {
  auto loaded = check(mac_text(""));
  for (const auto& what : loaded.diagnostics)
    CHECK_MESSAGE(what.level < severity::warning, what.message);
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  REQUIRE(loaded.value.runners[0].autoscaler);
  const auto& scaling = *loaded.value.runners[0].autoscaler;
  CHECK_EQ(scaling.connector.timeout, 1h);
  CHECK_EQ(scaling.policies.at(0).idle_time, 24h);
}
