#include "config/difference.hpp"

#include "config/keys.hpp"
#include "config/load.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <set>

using namespace muster;

namespace {

/// A runner with a group that its plugin_config names.
std::string runner(const std::string& name, const std::string& token,
                   const std::string& group, const std::string& more = "",
                   const std::string& autoscaler = "") {
  return fmt::format("[[runners]]\nname = \"{}\"\nurl = \"https://gl.test\"\n"
                     "token = \"{}\"\nexecutor = \"instance\"\n{}\n"
                     "[runners.autoscaler]\nplugin = \"p\"\n{}\n"
                     "[runners.autoscaler.plugin_config]\nname = \"{}\"\n",
                     name, token, more, autoscaler, group);
}

/// `told`: the plugin's group is known by its plugin_config.
config read(const std::string& text, bool told = true) {
  load_options options;
  options.state_dir = "/s";
  if (told)
    options.plugin_group
      = [](const std::string&, const std::string& json) { return json; };
  auto loaded = parse_config(text, "config.toml", options);
  for (const auto& x : loaded.diagnostics)
    REQUIRE_MESSAGE((x.level < severity::error
                     || x.message.find("one runner only") != std::string::npos),
                    headline(x));
  return loaded.value;
}

std::vector<std::string> said(const std::string& before,
                              const std::string& after, bool restarts = false,
                              bool told = true) {
  auto a = read(before, told);
  auto b = read(after, told);
  return describe(compare(a, b), a, b, restarts);
}

using lines = std::vector<std::string>;

} // namespace

TEST_CASE("each key that muster acts on has an effect, and no other") {
  std::set<std::string_view> rows;
  for (const auto& x : key_effects()) {
    CAPTURE(std::string{x.path});
    CHECK(rows.insert(x.path).second);
    const auto* key = find_key(x.path);
    REQUIRE(key != nullptr);
    CHECK_EQ(key->status, key_status::acted_on);
  }
  for (const auto& key : known_keys()) {
    auto is_section
      = key.type == key_type::section || key.type == key_type::section_list;
    if (key.status != key_status::acted_on || is_section)
      continue;
    CHECK_MESSAGE(rows.contains(key.path), std::string{key.path});
  }
}

TEST_CASE("values of keys that may hold a secret are not shown") {
  auto before = runner("a", "glrt-1", "g",
                       "environment = [\"A=hidden1\"]\n"
                       "pre_build_script = \"hidden2\"",
                       "[runners.autoscaler.connector_config]\n"
                       "username = \"u\"\npassword = \"hidden3\"");
  auto after = before;
  for (auto at = after.find("hidden"); at != std::string::npos;
       at = after.find("hidden", at + 1))
    after[at + 6] = '9';
  after.replace(after.find("glrt-1"), 6, "glrt-2");
  auto found = said(before, after);
  REQUIRE_EQ(found.size(), 1);
  CHECK_EQ(found.front(),
           "runner \"a\": token changed (live); environment changed (next "
           "jobs); pre_build_script changed (next jobs); "
           "autoscaler.connector_config.password changed (drain)");
}

TEST_CASE("of URLs the name and the password are not shown") {
  auto at = [](const std::string& clone_url) {
    return runner("a", "glrt-1", "g", "clone_url = \"" + clone_url + "\"");
  };
  CHECK_EQ(said(at("https://u:hidden1@a"), at("https://u:hidden2@b")),
           lines{"runner \"a\": clone_url \"https://[MASKED]@a\" -> "
                 "\"https://[MASKED]@b\" (next jobs)"});
  CHECK_EQ(said(at("https://u:hidden1@a"), at("https://u:hidden2@a")),
           lines{"runner \"a\": clone_url changed (next jobs)"});
}

TEST_CASE("settings of containers are for the next jobs") {
  auto of = [](const std::string& docker) {
    auto text = runner("a", "glrt-1", "g") + "[runners.docker]\n" + docker;
    auto at = text.find("\"instance\"");
    REQUIRE_NE(at, std::string::npos);
    return text.replace(at, 10, "\"docker-autoscaler\"");
  };
  auto image = of("image = \"a\"\nmemory = \"1g\"\n");
  CHECK(said(image, image).empty());
  CHECK_EQ(said(image, of("image = \"b\"\ncap_add = [\"NET_RAW\"]\n")),
           lines{"runner \"a\": docker.cap_add none -> [\"NET_RAW\"] (next "
                 "jobs); docker.image \"a\" -> \"b\" (next jobs); "
                 "docker.memory \"1g\" -> none (next jobs)"});
  auto service = [&](const std::string& password) {
    return of(fmt::format("image = \"a\"\n[[runners.docker.services]]\n"
                          "name = \"db\"\nenvironment = [\"PASSWORD={}\"]\n",
                          password));
  };
  CHECK_EQ(said(service("hidden1"), service("hidden2")),
           lines{"runner \"a\": docker.services changed (next jobs)"});
  auto secrets = [&](const std::string& value) {
    return of(fmt::format("image = \"a\"\n"
                          "volume_driver_ops = {{o = \"password={0}\"}}\n"
                          "container_labels = {{auth = \"{0}\"}}\n",
                          value));
  };
  CHECK_EQ(said(secrets("hidden1"), secrets("hidden2")),
           lines{"runner \"a\": docker.container_labels changed (next jobs); "
                 "docker.volume_driver_ops changed (next jobs)"});
}

TEST_CASE("changed keys are told with their effect") {
  struct row {
    const char* what;
    std::string before;
    std::string after;
    lines live;
    lines restarts;
  };
  auto a = runner("a", "glrt-1", "g");
  auto policies = [](int first, int second) {
    return fmt::format("[[runners.autoscaler.policy]]\nidle_count = {}\n"
                       "[[runners.autoscaler.policy]]\nidle_count = {}\n",
                       first, second);
  };
  const row rows[] = {
    {"nothing", a, a, {}, {}},
    {"a default that is written down", a, "concurrent = 1\n" + a, {}, {}},
    {"concurrent", a, "concurrent = 3\n" + a, {"concurrent 1 -> 3 (live)"}, {}},
    {"the state folder",
     a,
     "[muster]\nstate_dir = \"/t\"\n" + a,
     {},
     {"muster.state_dir \"/s\" -> \"/t\""}},
    {"idle_count",
     runner("a", "glrt-1", "g")
       + "[[runners.autoscaler.policy]]\nidle_count = 2\n",
     runner("a", "glrt-1", "g")
       + "[[runners.autoscaler.policy]]\nidle_count = 4\n",
     {"runner \"a\": autoscaler.policy.idle_count 2 -> 4 (live)"},
     {}},
    {"the second policy",
     a + policies(1, 2),
     a + policies(1, 3),
     {"runner \"a\": autoscaler.policy[2].idle_count 2 -> 3 (live)"},
     {}},
    {"a policy more",
     a + "[[runners.autoscaler.policy]]\nidle_count = 1\n",
     a + policies(1, 3),
     {"runner \"a\": autoscaler.policy 1 -> 2 of them (live)"},
     {}},
    {"capacity",
     a,
     runner("a", "glrt-1", "g", "", "capacity_per_instance = 2"),
     {"runner \"a\": autoscaler.capacity_per_instance 1 -> 2 (drain)"},
     {}},
    {"labels of all",
     a,
     "[labels]\nzone = \"y\"\n" + a,
     {"runner \"a\": labels {} -> {zone = \"y\"} (live)"},
     {}},
    {"a runner more",
     a,
     a + runner("b", "glrt-2", "h"),
     {"runner \"b\": added"},
     {}},
    {"a runner less",
     a + runner("b", "glrt-2", "h"),
     a,
     {"runner \"b\": removed"},
     {}},
    {"another group",
     a,
     runner("a", "glrt-1", "h"),
     {},
     {"runner \"a\": autoscaler.plugin_config changed"}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(said(r.before, r.after), r.live);
    CHECK_EQ(said(r.before, r.after, true), r.restarts);
  }
}

TEST_CASE("a plugin whose group is not known by its settings is asked") {
  CHECK_EQ(
    said(runner("a", "glrt-1", "g"), runner("a", "glrt-1", "h"), false, false),
    lines{"runner \"a\": autoscaler.plugin_config changed (drain)"});
}

TEST_CASE("a runner stays itself as long as something of it does") {
  struct row {
    const char* what;
    std::string before;
    std::string after;
    std::vector<int> of; ///< -1: new
  };
  auto a = runner("a", "glrt-1", "g");
  auto b = runner("b", "glrt-2", "h");
  const row rows[] = {
    {"the same", a + b, a + b, {0, 1}},
    {"reordered", a + b, b + a, {1, 0}},
    {"a rotated token", a, runner("a", "glrt-9", "g"), {0}},
    {"another name", a, runner("z", "glrt-1", "g"), {0}},
    {"token and name", a, runner("z", "glrt-9", "g"), {0}},
    {"another group", a, runner("a", "glrt-1", "z"), {0}},
    {"group and token", a, runner("a", "glrt-9", "z"), {0}},
    {"group, token and name", a, runner("z", "glrt-9", "z"), {-1}},
    {"by id",
     runner("a", "glrt-1", "g", "id = 7"),
     runner("z", "glrt-9", "z", "id = 7"),
     {0}},
    {"tokens that swap their groups",
     a + b,
     runner("a", "glrt-1", "h") + runner("b", "glrt-2", "g"),
     {1, 0}},
    {"the group goes to another, the token to a new group",
     a,
     runner("a", "glrt-1", "z") + runner("c", "glrt-9", "g"),
     {-1, 0}},
    {"a copy", a, a + runner("c", "glrt-9", "x"), {0, -1}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto found = compare(read(r.before), read(r.after));
    std::vector<int> of;
    for (const auto& x : found.runners)
      if (x.after)
        of.push_back(x.before ? static_cast<int>(*x.before) : -1);
    CHECK_EQ(of, r.of);
  }
}

TEST_CASE("two runners on one group are refused, whoever was first") {
  auto a = runner("a", "glrt-1", "g");
  auto found = compare(read(a), read(runner("c", "glrt-9", "g") + a));
  REQUIRE_EQ(found.runners.size(), 2);
  CHECK_FALSE(found.runners[0].before);
  CHECK_NE(found.runners[0].refused.find("that of the runner \"a\""),
           std::string::npos);
  CHECK(found.runners[1].refused.empty());
  SUBCASE("both new") {
    auto both
      = compare(read("concurrent = 1\n"), read(a + runner("c", "glrt-9", "g")));
    CHECK(both.runners[0].refused.empty());
    CHECK_FALSE(both.runners[1].refused.empty());
  }
  SUBCASE("the group of one that goes on with another until the restart") {
    auto moved = runner("a", "glrt-1", "h");
    auto taken = compare(read(a), read(moved + runner("c", "glrt-9", "h")));
    CHECK_EQ(taken.runners[0].before, 0);
    CHECK_FALSE(taken.runners[1].refused.empty());
  }
}

TEST_CASE("a start leaves out who is second on a group") {
  auto file = read(runner("a", "glrt-1", "g") + runner("b", "glrt-2", "h")
                   + runner("c", "glrt-3", "g"));
  leave_out_doubled_groups(file);
  REQUIRE_EQ(file.runners.size(), 2);
  CHECK_EQ(file.runners[0].name, "a");
  CHECK_EQ(file.runners[1].name, "b");
}

TEST_CASE("what needs a restart stays in force") {
  auto before = read(runner("a", "glrt-1", "g"));
  auto after = read("concurrent = 2\n[muster]\nstate_dir = \"/t\"\n"
                    + runner("a", "glrt-1", "h", "limit = 3"));
  auto now = kept_until_restart(before, after);
  CHECK_EQ(now.concurrent, 2);
  CHECK_EQ(now.muster.state_dir, "/s");
  auto one = kept_until_restart(before.runners[0], after.runners[0]);
  CHECK_EQ(one.limit, 3);
  CHECK_EQ(one.autoscaler->plugin_config_json, R"({"name":"g"})");
}
