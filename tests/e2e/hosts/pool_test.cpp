#include "tests/e2e/hosts/hosts_world.hpp"

#include <algorithm>
#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

/// A script that writes the time into a file, ten times a second.
std::string ticks_into(const std::filesystem::path& file) {
  return fmt::format(
    "echo begun; while date +%s%N > {}; do sleep 0.1; done; exit 1",
    file.string());
}

bool is_ticking(const std::filesystem::path& file) {
  auto before = file_text(file);
  run_shell("sleep 1");
  return file_text(file) != before;
}

} // namespace

TEST_CASE("jobs share the hosts of a pool, which are freed and used again") {
  sshd first;
  sshd second;
  pool_config what;
  what.hosts = {entry_of(first, "one"), entry_of(second, "two")};
  what.capacity = 2;
  what.idle_time = "1s";
  // Both are this machine: slots of one number would share a folder.
  what.runner = {"[runners.custom_build_dir]", "enabled = true"};
  hosts_world x{what};
  x.start();
  auto gate = x.in.place.path() / "go";
  std::vector<int64_t> ids;
  for (int i = 0; i < 5; ++i)
    ids.push_back(x.in.enqueue(
      {{"script",
        fmt::format("echo begun; while ! test -e {}; do sleep 0.1; done",
                    gate.string())},
       {"variables",
        {{"GIT_STRATEGY", "none"},
         {"GIT_CLONE_PATH", "$CI_BUILDS_DIR/$CI_JOB_ID"}}}}));
  auto begun = [&] {
    return std::ranges::count_if(
      ids, [&](auto id) { return has(x.in.log(id), "\nbegun"); });
  };
  CHECK(eventually([&] { return begun() == 4; }));
  // There is no place for the fifth: GitLab keeps it.
  CHECK(
    std::ranges::any_of(ids, [&](auto id) { return x.in.log(id).empty(); }));
  std::ofstream{gate} << "go";
  for (auto id : ids) {
    auto state = x.in.ended(id).state;
    CAPTURE(x.in.log(id));
    CHECK_EQ(state, job_state::success);
  }
  for (const auto* host : {"one", "two"})
    CHECK(x.manager().says("instance pruned", {{"instance", host}}));
  CHECK(x.in.serves_a_job());
  CHECK(eventually([&] {
    auto used = file_text(x.in.place.state() / "static" / "static.json");
    return !has(used, "\"one\"") && !has(used, "\"two\"");
  }));
  x.in.check_rules();
}

TEST_CASE("the configuration of GitLab's static plugin serves jobs") {
  sshd host;
  pool_config what;
  what.plugin = {
    "[runners.autoscaler.plugin_config.instances.local]",
    "username = \"" + host.user() + '"',
    "key_path = \"" + host.key_file().string() + '"',
    "timeout = \"1m\"",
    fmt::format("external_addr = \"127.0.0.1:{}\"", host.port()),
    fmt::format("internal_addr = \"127.0.0.1:{}\"", host.port()),
  };
  what.capacity = 10;
  what.autoscaler = {"max_instances = 1"};
  hosts_world x{what};
  auto checked = x.muster({"check"});
  CAPTURE(checked.output);
  CHECK_EQ(checked.status, 0);
  x.start();
  auto id = x.in.enqueue_script("echo fine");
  CHECK_EQ(x.in.ended(id).state, job_state::success);
  CHECK(has(x.in.log(id), "Dialing instance local..."));
}

TEST_CASE("jobs of a pool go on under the next manager") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  hosts_world x{what};
  x.start();
  auto gate = x.in.place.path() / "go";
  auto id = x.in.enqueue_script(fmt::format(
    "echo begun; while ! test -e {}; do sleep 0.1; done; echo went on",
    gate.string()));
  REQUIRE(x.in.shows(id, "\nbegun"));
  x.in.manager->kill();
  x.start();
  CHECK(x.manager().says("Attached to the job again"));
  std::ofstream{gate} << "go";
  CHECK_EQ(x.in.ended(id).state, job_state::success);
  CHECK(has(x.in.log(id), "\nwent on"));
  CHECK(x.in.serves_a_job());
}

TEST_CASE("what a lost job left on a host is ended before another runs there") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  hosts_world x{what};
  x.start();
  auto file = x.in.place.path() / "alive";
  REQUIRE(x.in.shows(x.in.enqueue_script(ticks_into(file)), "\nbegun"));
  x.in.manager->kill();
  x.forget_jobs();
  auto left = x.leftovers();
  CHECK_EQ(left.size(), 1);
  SUBCASE("by the next manager") {
  }
  SUBCASE("which may not reach the host, by the one after it") {
    host.halt();
    x.start();
    CHECK(x.manager().says("connection to the instance failed"));
    x.in.manager->kill();
    CHECK_EQ(x.leftovers(), left);
    host.start();
  }
  x.start();
  CHECK(x.in.serves_a_job());
  CHECK_FALSE(is_ticking(file));
  CHECK(eventually([&] { return x.leftovers().empty(); }));
}

TEST_CASE("managers with the same runner on one host leave each other's jobs "
          "alone") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  hosts_world x{what};
  hosts_world y{what};
  REQUIRE_EQ(x.in.config.token, y.in.config.token);
  x.start();
  auto kept = x.in.place.path() / "alive";
  auto id = x.in.enqueue_script(ticks_into(kept));
  REQUIRE(x.in.shows(id, "\nbegun"));
  y.start();
  auto lost = y.in.place.path() / "alive";
  REQUIRE(y.in.shows(y.in.enqueue_script(ticks_into(lost)), "\nbegun"));
  y.in.manager->kill();
  y.forget_jobs();
  y.start();
  CHECK(y.in.serves_a_job());
  CHECK_FALSE(is_ticking(lost));
  CHECK(is_ticking(kept));
  CHECK_EQ(x.in.gitlab.job(id)->state, job_state::running);
  // It ends when its file cannot be written any more.
  std::filesystem::remove(kept);
  std::filesystem::create_directory(kept);
  CHECK_EQ(x.in.ended(id).failure_reason, "script_failure");
}

TEST_CASE("a pool is left as it is, or freed, when the manager stops") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  auto deletes = false;
  SUBCASE("left") {
  }
  SUBCASE("freed") {
    deletes = true;
    what.autoscaler = {"delete_instances_on_shutdown = true"};
  }
  hosts_world x{what};
  x.start();
  CHECK(x.in.serves_a_job());
  CHECK_EQ(x.in.stop_manager(SIGQUIT), 0);
  CHECK_EQ(
    has(file_text(x.in.place.state() / "static" / "static.json"), "\"one\""),
    !deletes);
}

TEST_CASE("more instances than hosts, and two pools of one name, are told at "
          "check") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  what.autoscaler = {"max_instances = 2"};
  hosts_world x{what};
  auto checked = x.muster({"check"});
  CAPTURE(checked.output);
  CHECK_EQ(checked.status, 1);
  CHECK(has(checked.output,
            "max size option exceeds instance group's max size: 2 > 1"));
}

TEST_CASE("a heartbeat goes before each job, if so wished") {
  sshd host{{.config = {"LogLevel DEBUG1"}}};
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  what.runner
    = {"[runners.feature_flags]", "FF_USE_FLEETING_ACQUIRE_HEARTBEATS = true"};
  hosts_world x{what};
  x.start();
  CHECK(x.in.serves_a_job());
  auto before = count_of("Starting session:", host.log());
  CHECK(x.in.serves_a_job());
  // An sshd that is not root's forwards no sockets: the job, too, comes by a
  // session.
  auto of_job = geteuid() == 0 ? 0 : 1;
  CHECK_EQ(count_of("Starting session:", host.log()), before + of_job + 1);
}
