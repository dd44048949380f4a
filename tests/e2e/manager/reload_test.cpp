#include "tests/e2e/manager/world.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

world::settings roomy() {
  world::settings how;
  how.manager.capacity = 1;
  how.manager.instances = 3;
  return how;
}

/// Replaces a part of config.toml as an editor does: a new file in its place.
void edit(const world& x, const std::string& from, const std::string& to) {
  auto file = x.place.config_file();
  auto text = file_text(file);
  auto at = text.find(from);
  REQUIRE_NE(at, std::string::npos);
  text.replace(at, from.size(), to);
  auto other = file;
  other += ".new";
  std::ofstream{other} << text;
  fs::rename(other, file);
}

bool has_instances(const world& x, size_t count) {
  return eventually([&] { return x.place.living().size() == count; });
}

} // namespace

TEST_CASE("SIGHUP and a changed file make the group grow and shrink, and a job "
          "runs through all of it") {
  world x{roomy()};
  auto id = x.enqueue_script("echo begun; until [ -e ~/enough ]; do sleep 0.1; "
                             "done; echo to the end");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  CHECK(has_instances(x, 1));
  // By itself.
  edit(x, "idle_count = 0", "idle_count = 2");
  CHECK(x.manager->says("autoscaler.policy.idle_count 0 -> 2 (live)"));
  CHECK(has_instances(x, 3));
  // A file that cannot be used changes nothing.
  edit(x, "concurrent = 8", "concurrent = 8 8");
  CHECK(x.manager->says("the former configuration stays in force"));
  CHECK(x.manager->says(x.place.config_file().string() + ":1:"));
  edit(x, "concurrent = 8 8", "concurrent = 7");
  CHECK(x.manager->says("concurrent 8 -> 7 (live)"));
  // Asked for.
  edit(x, "idle_count = 2\nidle_time = \"10m\"",
       "idle_count = 0\nidle_time = \"1s\"");
  x.manager->signal(SIGHUP);
  CHECK(x.manager->says("autoscaler.policy.idle_count 2 -> 0 (live)"));
  CHECK(has_instances(x, 1));
  // Instances are replaced, but not under a job.
  edit(x, "[[runners.autoscaler.policy]]",
       "boot_delay = \"10ms\"\n[[runners.autoscaler.policy]]");
  CHECK(x.manager->says("autoscaler.plugin_config changed (drain)"));
  x.manager->signal(SIGHUP);
  CHECK(x.manager->says("read again, nothing has changed"));
  CHECK_EQ(x.place.living(), std::vector{instance});
  std::ofstream{x.place.instance(instance) / "home" / "enough"} << "x";
  CHECK_EQ(x.ended(id).state, job_state::success);
  CHECK(has_instances(x, 0));
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("a token that was changed in the file is used from then on") {
  auto how = roomy();
  world x{how};
  CHECK(x.serves_a_job());
  auto old = x.gitlab.token();
  edit(x, old, "glrt-wrong-token-0001");
  edit(x, "name = \"e2e\"", "name = \"other\"");
  x.manager->signal(SIGHUP);
  CHECK(x.manager->says("token changed (live)"));
  CHECK(x.manager->says("Checking for jobs... forbidden"));
  edit(x, "glrt-wrong-token-0001", old);
  x.manager->signal(SIGHUP);
  CHECK(x.serves_a_job());
  auto log = x.manager->log();
  CHECK_EQ(log.find(old), std::string::npos);
  CHECK_EQ(log.find("glrt-wrong"), std::string::npos);
  CHECK_EQ(count_of("plugin initialized", log), 1);
  CHECK_EQ(x.stop_manager(), 0);
}

TEST_CASE("what muster writes into the file itself is no change") {
  world::settings how;
  how.manager.runner = {"token_obtained_at = 2020-01-01T00:00:00Z",
                        "token_expires_at = 2020-02-01T00:00:00Z"};
  world x{how};
  CHECK(x.manager->says("Token rotated"));
  edit(x, "concurrent = 8", "concurrent = 9");
  CHECK(x.manager->says("concurrent 8 -> 9 (live)"));
  CHECK(x.serves_a_job());
  CHECK_EQ(count_of("token changed", x.manager->log()), 0);
  CHECK_EQ(x.stop_manager(), 0);
}

TEST_CASE("a removed runner's job ends well, and then its instances go") {
  world x{roomy()};
  auto id = x.enqueue_script("echo begun; until [ -e ~/enough ]; do sleep 0.1; "
                             "done; echo to the end");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  auto text = file_text(x.place.config_file());
  std::ofstream{x.place.config_file()}
    << text.substr(0, text.find("[[runners]]"));
  CHECK(x.manager->says("runner \"e2e\": removed"));
  CHECK_EQ(x.place.living(), std::vector{instance});
  std::ofstream{x.place.instance(instance) / "home" / "enough"} << "x";
  CHECK_EQ(x.ended(id).state, job_state::success);
  CHECK(x.manager->says("removed from the configuration has ended"));
  CHECK(has_instances(x, 0));
  std::ofstream{x.place.config_file()} << text;
  CHECK(x.manager->says("runner \"e2e\": added"));
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
}
