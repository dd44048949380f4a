#include "tests/e2e/fleeting/bed.hpp"
#include "tests/e2e/manager/world.hpp"

#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

// The plugin is built by with_go_plugin.sh with GitLab's own library.

TEST_CASE("a job runs on an instance of a plugin with GitLab's library") {
  sshd host{{.config = {"MaxSessions 100"}}};
  world x{
    {.manager = {}, .accept_within = std::chrono::minutes{2}, .start = false}};
  auto key = x.place.path() / "key";
  std::ofstream{key} << host.user_key();
  std::ofstream{x.place.config_file()} << fmt::format(
    "concurrent = 4\ncheck_interval = 1\nlog_level = \"debug\"\n"
    "[muster]\nstate_dir = \"{}\"\nhelper_path = \"{}\"\n"
    "[[runners]]\nname = \"go\"\nurl = \"{}\"\ntoken = \"{}\"\n"
    "executor = \"instance\"\n[runners.autoscaler]\nplugin = \"{}\"\n"
    "max_instances = 3\nupdate_interval = \"1s\"\n"
    "update_interval_when_expecting = \"100ms\"\n"
    "delete_instances_on_shutdown = true\n"
    "[runners.autoscaler.plugin_config]\nname = \"Linux\"\n"
    "mixedCase = \"Kept As It Is\"\ninternal_addr = \"127.0.0.1:{}\"\n"
    "key_file = \"{}\"\nmax_size = 4294967295\n"
    "[runners.autoscaler.connector_config]\nusername = \"{}\"\n"
    "[[runners.autoscaler.policy]]\nidle_count = 0\nidle_time = \"10m\"\n",
    x.place.state().string(), std::getenv("MUSTER_HELPER_PROGRAM"),
    x.gitlab.url(), x.gitlab.token(), std::getenv("MUSTER_GO_PLUGIN"),
    host.port(), key.string(), host.user());
  x.start_manager();
  CHECK(x.manager->says("plugin initialized",
                        {{"group", "go/Linux"}, {"version", "0.1.0"}}));
  CHECK(x.manager->says(
    "group is open",
    {{"level", "info"}, {"name", "Linux"}, {"mixed_case", "Kept As It Is"}}));
  CHECK(x.manager->says("printed by the plugin's code", {{"level", "debug"}}));
  auto id = x.enqueue_script("echo it works");
  CHECK_EQ(x.ended(id).state, job_state::success);
  CHECK_NE(x.log(id).find("Dialing instance go-1"), std::string::npos);
  auto found = test::processes_with(std::getenv("MUSTER_GO_PLUGIN"), 0);
  REQUIRE_EQ(found.size(), 1);
  SUBCASE("stopped") {
    CHECK_EQ(x.stop_manager(), 0);
    CHECK(x.manager->says("instance pruned", {{"instance", "go-1"}}));
    CHECK(x.manager->says("group is closed"));
  }
  SUBCASE("killed") {
    x.manager->kill();
  }
  CHECK(soon([&] { return !is_running(found[0].pid); }));
}

TEST_CASE("a plugin with GitLab's library that is asked badly says why") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.plugin = std::getenv("MUSTER_GO_PLUGIN");
  auto by = std::chrono::steady_clock::now() + patience;
  for (const auto& [config, says] :
       {std::pair{"null", "Init: plugin_config has no name"},
        std::pair{"", "Init: unmarshaling config: unexpected end of JSON"}}) {
    options.config_json = config;
    fleeting_group group{options};
    auto info = group.init(by);
    REQUIRE(!info);
    CHECK_MESSAGE(info.error().text.find(says) != std::string::npos,
                  info.error().text);
  }
  options.config_json = R"({"name":"n","internal_addr":"h"})";
  options.connector.username = "u";
  options.connector.key_path = "/etc/hostname"; // any text
  fleeting_group group{options};
  REQUIRE(group.init(by));
  CHECK_EQ(group.increase(2, by).value_or(0), 2);
  CHECK_EQ(group.update(by)->size(), 2);
  CHECK(group.heartbeat("go-1", by)); // unimplemented there
  CHECK(group.get_connect_info("go-1", by));
  CHECK(!group.get_connect_info("go-9", by));
  // An error with a partial success: what was done is lost on the wire, and
  // found by the next listing.
  CHECK(!group.decrease({"go-1", "go-9"}, by));
  CHECK_EQ(group.update(by)->size(), 1);
  group.shutdown(by);
  CHECK_EQ(group.plugin_pid(), -1);
}
