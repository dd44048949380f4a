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

TEST_CASE("a policy is laid over the autoscaler of each runner") {
  auto text = laid_over(base, R"(
[runners.autoscaler]
max_instances = 9
[[runners.autoscaler.policy]]
idle_count = 3
idle_time = "1m0s"
)",
                        "over.toml");
  REQUIRE(text);
  auto read = parse_config(*text, "config.toml");
  CHECK_EQ(read.value.concurrent, 7);
  REQUIRE_EQ(read.value.runners.size(), 1); // the other one cannot be served
  const auto& scaler = *read.value.runners[0].autoscaler;
  CHECK_EQ(scaler.max_instances, 9);
  CHECK_EQ(scaler.capacity_per_instance, 2);
  CHECK_NE(scaler.plugin_config_json.find("Name"), std::string::npos);
  REQUIRE_EQ(scaler.policies.size(), 1);
  CHECK_EQ(scaler.policies[0].idle_count, 3);
}

TEST_CASE("what is not for an autoscaler is refused by name") {
  struct row {
    const char* text;
    const char* told;
  };
  for (const auto& x :
       {row{"", "no [runners.autoscaler]"}, row{"concurrent = 1", "concurrent"},
        row{"[runners]\nlimit = 1", "runners.limit"},
        row{"[runners.autoscaler]", "has no keys"},
        row{"[[runners]]\nname = \"x\"", "no [runners.autoscaler]"},
        row{"[runners.autoscaler]\nx = ", "over.toml:2"},
        row{"\xff = 1", "over.toml:1"}}) {
    CAPTURE(x.text);
    auto out = laid_over(base, x.text, "over.toml");
    REQUIRE_FALSE(out);
    CAPTURE(out.error().text);
    CHECK_NE(out.error().text.find(x.told), std::string::npos);
  }
  CHECK_FALSE(
    laid_over("x = ", "[runners.autoscaler]\nmax_instances = 1", "o"));
}
