#include "tests/unit/scaling_plan/read.hpp"

#include <nlohmann/json.hpp>

using namespace muster;
using namespace muster::test;

namespace {

std::string told(const std::string& before, const std::string& after,
                 size_t left_out = 0) {
  return plan::text_of(plan::reload_of(read(before, "old.toml"),
                                       read(after, "new.toml"), left_out));
}

} // namespace

TEST_CASE("a reload's plan tells of each key when it comes into force") {
  CHECK_EQ(
    told("concurrent = 1\n"
           + runner("big", "capacity_per_instance = 1\n"
                             + policy_of("idle_count = 2\nidle_time = \"1m\"")),
         "concurrent = 4\nlisten_address = \":9252\"\n"
           + runner("big",
                    "capacity_per_instance = 2\n"
                      + policy_of("idle_count = 3\nidle_time = \"1m\""),
                    "", "shell = \"bash\"")),
    R"(reload from old.toml to new.toml
  live       concurrent 1 -> 4
  restart    listen_address none -> ":9252"
  runner "big"
    next jobs  shell none -> "bash"
    drain      autoscaler.capacity_per_instance 1 -> 2
    live       autoscaler.policy.idle_count 2 -> 3
    instances that are there are replaced as they become free
)");
}

TEST_CASE("a reload's plan tells of runners that come and go") {
  CHECK_EQ(told(runner("a") + runner("b", "delete_instances_on_shutdown = true")
                  + runner("c"),
                runner("c") + runner("d") + runner("e", "", "c")),
           R"(reload from old.toml to new.toml
  runner "d": added
  runner "e": not served: its group of instances is that of the runner "c": a group serves one runner only. Name another group in plugin_config
  runner "a": removed: it takes no more jobs, and with its last one its instances are left
  runner "b": removed: it takes no more jobs, and with its last one its instances are deleted
)");
}

TEST_CASE("where the provider is told something else its plugin starts anew") {
  auto text = told(
    runner("x"),
    runner("x", "connector_config = {username = \"ci\"}\nmax_instances = 2"));
  CHECK_NE(text.find("    drain      autoscaler.connector_config.username none "
                     "-> \"ci\"\n    instances that are there are replaced as "
                     "they become free\n    the plugin is started anew\n"),
           std::string::npos);
  // With another group all of that waits for a restart.
  text = told(runner("x"),
              runner("x", "connector_config = {username = \"ci\"}", "other"));
  CHECK_NE(text.find("    restart    autoscaler.plugin_config changed\n"),
           std::string::npos);
  CHECK_NE(text.find("    restart    autoscaler.connector_config.username "),
           std::string::npos);
  CHECK_EQ(text.find("replaced"), std::string::npos);
  CHECK_EQ(text.find("anew"), std::string::npos);
}

TEST_CASE("a rotated token or another order is told for what it is") {
  CHECK_EQ(told(runner("a") + runner("b"), runner("b") + runner("a")),
           "reload from old.toml to new.toml\n  nothing changes\n");
  auto text = runner("a");
  auto rotated = text;
  rotated.replace(rotated.find("glrt-token-of-a"), 15, "glrt-rotated--a");
  auto said = told(text, rotated);
  CHECK_EQ(said, "reload from old.toml to new.toml\n  runner \"a\"\n"
                 "    live       token changed\n");
  CHECK_EQ(said.find("rotated--"), std::string::npos);
}

TEST_CASE("a runner that is served and has a fault now stops the reload") {
  CHECK_EQ(told(runner("a") + runner("b"), runner("a"), 1),
           "reload from old.toml to new.toml\n  nothing: a runner that is "
           "served cannot be served as it is written now, so that the former "
           "configuration stays in force\n");
  // A fault in a new runner concerns that alone.
  CHECK_EQ(
    told(runner("a"), "concurrent = 2\n" + runner("a"), 1),
    "reload from old.toml to new.toml\n  live       concurrent 1 -> 2\n");
}

TEST_CASE("a reload's plan is JSON for programs") {
  auto before = read(runner("a") + runner("b"), "old.toml");
  auto after = read(runner("a", "capacity_per_instance = 2"), "new.toml");
  plan::plan_options with;
  with.zone = "UTC";
  auto planned = plan::plan_of(after, with);
  REQUIRE(planned);
  auto json = nlohmann::json::parse(
    plan::json_of(*planned, {}, plan::reload_of(before, after, 0)));
  CHECK_EQ(
    json["reload"].dump(),
    R"({"from":"old.toml","keys":[],"runners":[{"deletes_instances":false,)"
    R"("fate":"kept","keys":[{"change":"1 -> 2","effect":"drain","key":)"
    R"("autoscaler.capacity_per_instance"}],"name":"\"a\"","refused":"",)"
    R"("replaces_instances":true,"restarts_plugin":false},)"
    R"({"deletes_instances":false,"fate":"removed","keys":[],"name":"\"b\"",)"
    R"("refused":"","replaces_instances":false,"restarts_plugin":false}],)"
    R"("stays":false,"to":"new.toml"})");
}
