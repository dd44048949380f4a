#include "config/load.hpp"
#include "config/numbered.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <string>

using namespace muster;

namespace {

constexpr auto file = R"(
concurrent = 10
[muster]
state_dir = "/srv/muster"
shadow = "of an unknown key"
[[runners]]
name = "first"
url = "https://u:p@gitlab.example.com"
token = "glrt-first"
executor = "instance"
environment = ["MODE=x", "DEPLOY=of the environment", "EMPTY="]
pre_build_script = "echo of a script"
[runners.labels]
team = "blue"
[runners.autoscaler]
plugin = "fleeting-plugin-aws"
[runners.autoscaler.plugin_config]
name = "my-group"
api = {code = "Of A Plugin", words = ["Another Of It"], size = 3}
[runners.autoscaler.connector_config]
username = "ci"
password = "of the connector"
[runners.docker]
image = "alpine"
[[runners.docker.services]]
name = "postgres"
environment = ["POSTGRES_PASSWORD=of a service"]
[runners.cache.s3]
AccessKey = "of the access"
SecretKey = "of the cache"
[[runners]]
name = "second"
token = "$TOKEN"
)";

} // namespace

TEST_CASE("no secret of a configuration is in its numbered text") {
  std::map<std::string, int> numbers;
  value_names names;
  names.of_secret = [&](const std::string& x) {
    return fmt::format("<{}>",
                       numbers.emplace(x, numbers.size()).first->second);
  };
  names.of_foreign = [&](const std::string& x, bool is_word) {
    return fmt::format("{}<{}>", is_word ? "word" : "",
                       numbers.emplace(x, numbers.size()).first->second);
  };
  names.of_text = [](const std::string& x) {
    return x.find("of a script") == std::string::npos ? x : "hidden";
  };
  auto text = numbered_config(file, names);
  for (const char* x :
       {"glrt-first", "of the environment", "of a script", "Of A Plugin",
        "Another Of It", "my-group", "of the connector", "of a service",
        "of the access", "of the cache", "of an unknown key"}) {
    CAPTURE(x);
    CHECK_EQ(text.find(x), std::string::npos);
  }
  // The rest is a configuration still.
  auto x = parse_config(text, "config.toml");
  CHECK_EQ(x.value.concurrent, 10);
  CHECK_EQ(x.value.muster.state_dir, "/srv/muster");
  REQUIRE_FALSE(x.value.runners.empty());
  const auto& first = x.value.runners[0];
  CHECK_EQ(first.name, "first");
  CHECK_EQ(first.labels.at("team"), "blue");
  CHECK_EQ(first.environment[0].substr(0, 6), "MODE=<");
  CHECK_EQ(first.environment[2], "EMPTY=");
  CHECK_NE(text.find("$TOKEN"), std::string::npos);
  CHECK_NE(text.find("size = 3"), std::string::npos);
  CHECK_NE(text.find("word<"), std::string::npos);
}

TEST_CASE("a text that is no TOML has no numbered form") {
  CHECK_EQ(numbered_config("token = \"glrt-first", value_names{}), "");
}

TEST_CASE("secrets in force are told wherever they are from") {
  load_options options;
  options.state_dir = "/state";
  options.variable = [](const std::string& name) -> std::optional<std::string> {
    return name == "TOKEN" ? std::optional<std::string>{"glrt-of-environment"}
                           : std::nullopt;
  };
  auto x = parse_config("[[runners]]\nurl = \"https://g\"\ntoken = \"$TOKEN\"\n"
                        "executor = \"instance\"\nenvironment = [\"A=of it\"]\n"
                        "[runners.autoscaler]\nplugin = \"local\"\n"
                        "[runners.autoscaler.plugin_config]\n"
                        "name = \"g\"\nnested = {api_token = \"of a plugin\"}\n"
                        "[runners.autoscaler.connector_config]\n"
                        "password = \"of ssh\"\n",
                        "config.toml", options);
  REQUIRE_EQ(x.value.runners.size(), 1);
  auto found = secrets_of(x.value);
  for (const char* expected :
       {"glrt-of-environment", "of it", "of a plugin", "of ssh"}) {
    CAPTURE(expected);
    CHECK(std::find(found.begin(), found.end(), secret{expected})
          != found.end());
  }
  CHECK(std::find(found.begin(), found.end(), secret{"g"}) == found.end());
}
