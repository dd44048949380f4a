#include "config/overlay.hpp"

#include "config/load.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

constexpr auto base = R"(
concurrent = 7
[[runners]]
name = "shell" # comments are lost
url = "https://gitlab.example.com"
token = "glrt-1"
executor = "shell"
[[runners]]
name = "scaled"
url = "https://gitlab.example.com"
token = "glrt-2"
executor = "instance"
[runners.autoscaler]
plugin = "p"
max_instances = 5
capacity_per_instance = 2
[runners.autoscaler.plugin_config]
Name = "g"
[[runners.autoscaler.policy]]
idle_count = 1
[[runners.autoscaler.policy]]
idle_count = 2
)";

} // namespace

namespace {

loaded_config laid_over(const std::string& over,
                        const std::string& below = base) {
  return parse_laid_over({"base.toml", below}, {"over.toml", over});
}

/// What is said of a file, a line each.
std::string said(const loaded_config& x, const std::string& path) {
  std::string out;
  for (const auto& one : x.diagnostics)
    if (one.path == path)
      out += headline(one) + "\n";
  return out;
}

} // namespace

TEST_CASE("a policy is laid over the autoscaler of each runner") {
  auto read = laid_over(R"(
[runners.autoscaler]
max_instances = 9
[[runners.autoscaler.policy]]
idle_count = 3
idle_time = "1m0s"
)");
  CHECK_EQ(read.value.concurrent, 7);
  REQUIRE_EQ(read.value.runners.size(), 1); // the other one cannot be served
  const auto& scaler = *read.value.runners[0].autoscaler;
  CHECK_EQ(scaler.max_instances, 9);
  CHECK_EQ(scaler.capacity_per_instance, 2);
  CHECK_NE(scaler.plugin_config_json.find("Name"), std::string::npos);
  REQUIRE_EQ(scaler.policies.size(), 1);
  CHECK_EQ(scaler.policies[0].idle_count, 3);
  // Letter case makes no difference, and a mark before the text none.
  read = laid_over("\xEF\xBB\xBF[runners.autoscaler]\nMax_Instances = 8\n");
  CHECK_EQ(read.value.runners.at(0).autoscaler->max_instances, 8);
  CHECK_EQ(said(read, "over.toml"), "");
}

TEST_CASE("of two runners with an autoscaler each gets the policy") {
  std::string two = base;
  auto scaled = two.substr(two.rfind("[[runners]]"));
  for (const auto* part : {"scaled", "glrt-2", "\"g\""})
    scaled.insert(scaled.find(part) + 2, "3");
  auto read
    = laid_over("[runners.autoscaler]\nmax_instances = 9\n", two + scaled);
  REQUIRE_EQ(read.value.runners.size(), 2);
  for (const auto& x : read.value.runners)
    CHECK_EQ(x.autoscaler->max_instances, 9);
}

TEST_CASE("what is wrong is told of the file in which it stands") {
  auto read = laid_over("\n[runners.autoscaler]\n  max_instnaces = 9\n"
                        "[[runners.autoscaler.policy]]\nidle_count = -4\n");
  auto text = said(read, "over.toml");
  CAPTURE(text);
  CHECK_EQ(text.find("over.toml:3:3: unknown key \"max_instnaces\""), 0);
  CHECK_NE(text.find("did you mean \"max_instances\""), std::string::npos);
  CHECK_NE(text.find("over.toml:5:"), std::string::npos);
  // The shell runner of the base.
  CHECK_NE(said(read, "base.toml").find("base.toml:7:"), std::string::npos);

  read = laid_over("[runners.autoscaler]\nmax_instances = \"x\"\n");
  CHECK_EQ(said(read, "over.toml").find("over.toml:2:"), 0);
  read = laid_over("[runners.autoscaler]\nmax_instances = 1\n", "x = \n");
  CHECK_EQ(said(read, "base.toml").find("base.toml:1:5"), 0);
  CHECK_EQ(said(read, "over.toml"), "");
}

TEST_CASE("what is not for an autoscaler is refused by name") {
  struct row {
    const char* text;
    const char* told;
  };
  for (const auto& x :
       {row{"", "over.toml: there is no [runners.autoscaler]"},
        row{"\nconcurrent = 1", "over.toml:2:1: \"concurrent\" has no place"},
        row{"[runners]\nlimit = 1", "over.toml:2:1: \"runners.limit\" has no"},
        row{"[runners.autoscaler]", "over.toml: [runners.autoscaler] has no"},
        row{"[[runners]]\nname = \"x\"", "over.toml: there is no"},
        row{"[runners.autoscaler]\nx = ", "over.toml:2:"},
        row{"\xff = 1", "over.toml:1:1"}}) {
    CAPTURE(x.text);
    auto read = laid_over(x.text);
    REQUIRE_EQ(read.diagnostics.size(), 1);
    CHECK_EQ(read.diagnostics[0].level, severity::fatal);
    auto text = said(read, "over.toml");
    CAPTURE(text);
    CHECK_EQ(text.find(x.told), 0);
  }
}
