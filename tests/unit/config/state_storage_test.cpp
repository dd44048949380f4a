#include "config/load.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>

using namespace muster;

namespace {

std::string runner(const char* name, const std::string& lines) {
  return fmt::format("[[runners]]\n"
                     "name = \"{0}\"\n"
                     "url = \"https://gitlab.example.com\"\n"
                     "token = \"glrt-{0}\"\n"
                     "executor = \"instance\"\n"
                     "[runners.autoscaler]\n"
                     "plugin = \"local\"\n"
                     "[runners.autoscaler.plugin_config]\n"
                     "name = \"{0}\"\n"
                     "[[runners.autoscaler.policy]]\n"
                     "{1}\n",
                     name, lines);
}

std::string storage(const std::string& lines) {
  return "[runners.autoscaler.state_storage]\n" + lines;
}

loaded_config read(const std::string& text) {
  load_options options;
  options.mode = check_mode::check;
  options.state_dir = "/default";
  return parse_config(text, "config.toml", options);
}

/// Warnings about `key`.
std::vector<std::string> warnings(const loaded_config& x,
                                  std::string_view key) {
  std::vector<std::string> out;
  for (const auto& one : x.diagnostics)
    if (one.level == severity::warning
        && one.message.find(key) != std::string::npos)
      out.push_back(one.message);
  return out;
}

} // namespace

TEST_CASE("state_storage names the state folder unless [muster] does") {
  const auto on = std::string{"enabled = true\ndir = \"/kept\"\n"};
  CHECK_EQ(read(runner("a", "")).value.muster.state_dir, "/default");
  CHECK_EQ(read(runner("a", storage(on))).value.muster.state_dir, "/kept");
  CHECK_EQ(
    read(runner("a", storage("dir = \"/kept\"\n"))).value.muster.state_dir,
    "/default");
  CHECK_EQ(
    read(runner("a", storage("enabled = true\n"))).value.muster.state_dir,
    "/default");
  CHECK_EQ(read(runner("a", storage("enabled = true\ndir = \"kept\"\n")))
             .value.muster.state_dir,
           (std::filesystem::current_path() / "kept").string());
  auto both
    = read("[muster]\nstate_dir = \"/own\"\n" + runner("a", storage(on)));
  CHECK_EQ(both.value.muster.state_dir, "/own");
  auto said = warnings(both, "/kept");
  REQUIRE_EQ(said.size(), 1);
  CHECK_NE(said[0].find("[muster] state_dir"), std::string::npos);
}

TEST_CASE("of two runners' state folders the first is the manager's") {
  auto x = read(runner("a", "")
                + runner("b", storage("enabled = true\ndir = \"/b\"\n"))
                + runner("c", storage("enabled = true\ndir = \"/b\"\n"))
                + runner("d", storage("enabled = true\ndir = \"/d\"\n")));
  CHECK_EQ(x.value.muster.state_dir, "/b");
  auto said = warnings(x, "is not used");
  REQUIRE_EQ(said.size(), 1);
  CHECK_NE(said[0].find("/d"), std::string::npos);
  CHECK_NE(said[0].find("the runner \"b\""), std::string::npos);
}

TEST_CASE("what becomes of instances with acquisitions is as configured") {
  auto keeps = [](const std::string& lines) {
    return read(runner("a", storage(lines)))
      .value.runners.at(0)
      .autoscaler->keep_instance_with_acquisitions;
  };
  CHECK_FALSE(keeps(""));
  CHECK(keeps("keep_instance_with_acquisitions = true\n"));
}

TEST_CASE("reservations are throttled unless that is switched off") {
  auto throttles = [](const std::string& line) {
    auto text = runner("a", "");
    text.replace(text.find("plugin = "), 0, line);
    return read(text).value.runners.at(0).autoscaler->reservation_throttling;
  };
  CHECK(throttles(""));
  CHECK(throttles("reservation_throttling = true\n"));
  CHECK_FALSE(throttles("reservation_throttling = false\n"));
}

TEST_CASE("buckets of metrics have the general ones as their default") {
  struct row {
    const char* what;
    const char* lines;
    time_buckets expected;
    size_t warnings = 0;
  };
  const std::vector<double> all{1, 2.5, 60};
  const row rows[] = {
    {"none", "", {}},
    {"the general ones are not those of a life",
     "instance_operation_time_buckets = [1, 2.5, 60]\n",
     {all, all, all, all, {}}},
    {"each its own",
     "instance_operation_time_buckets = [1, 2.5, 60]\n"
     "instance_creation_time_buckets = [1]\n"
     "instance_is_running_time_buckets = [2]\n"
     "instance_deletion_time_buckets = [3]\n"
     "instance_readiness_time_buckets = [4]\n"
     "instance_life_duration_buckets = [5]\n",
     {{1}, {2}, {3}, {4}, {5}}},
    {"an empty list is none", "instance_life_duration_buckets = []\n", {}},
    {"infinity is there anyway",
     "instance_life_duration_buckets = [5, inf]\n",
     {{}, {}, {}, {}, {5}}},
    {"twice the same", "instance_life_duration_buckets = [5, 5]\n", {}, 1},
    {"falling", "instance_life_duration_buckets = [5, 4]\n", {}, 1},
    {"no number", "instance_life_duration_buckets = [nan]\n", {}, 1},
    {"wrong ones leave the general ones",
     "instance_operation_time_buckets = [1, 2.5, 60]\n"
     "instance_creation_time_buckets = [2, 1]\n",
     {all, all, all, all, {}},
     1},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto text = runner("a", "");
    text.replace(text.find("plugin = "), 0, r.lines);
    auto x = read(text);
    REQUIRE_EQ(x.value.runners.size(), 1);
    CHECK(x.value.runners[0].autoscaler->buckets == r.expected);
    CHECK_EQ(warnings(x, "_bucket").size(), r.warnings);
  }
}

TEST_CASE("a list of too many buckets is not used") {
  std::string list;
  for (auto i = 1; i <= 101; ++i)
    list += fmt::format("{}, ", i);
  auto text = runner("a", "");
  text.replace(text.find("plugin = "), 0,
               "instance_life_duration_buckets = [" + list + "]\n");
  auto x = read(text);
  CHECK(x.value.runners.at(0).autoscaler->buckets.life_duration.empty());
  CHECK_EQ(warnings(x, "more than 100").size(), 1);
}
