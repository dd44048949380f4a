#include "config/feature_flags.hpp"

#include <doctest/doctest.h>
#include <map>
#include <set>

using namespace muster;

namespace {

variable_lookup job(std::map<std::string, std::string> variables) {
  return [=](std::string_view name) -> std::optional<std::string> {
    auto it = variables.find(std::string{name});
    return it == variables.end() ? std::nullopt : std::optional{it->second};
  };
}

} // namespace

TEST_CASE(
  "a flag is decided by table, job, environment and default, in order") {
  runner_config runner;
  CHECK(flag_value(runner, job({}), "FF_TIMESTAMPS"));
  CHECK(!flag_value(runner, {}, "FF_NETWORK_PER_BUILD"));
  runner.environment = {"FF_TIMESTAMPS=true", "FF_TIMESTAMPS=false", "bare"};
  CHECK(!flag_value(runner, job({}), "FF_TIMESTAMPS"));
  CHECK(flag_value(runner, job({{"FF_TIMESTAMPS", "T"}}), "FF_TIMESTAMPS"));
  runner.feature_flags["FF_TIMESTAMPS"] = false;
  CHECK(!flag_value(runner, job({{"FF_TIMESTAMPS", "1"}}), "FF_TIMESTAMPS"));
}

TEST_CASE("some flags are not to be had by a variable") {
  runner_config runner;
  CHECK(!flag_value(runner, job({{"FF_USE_JOB_ROUTER", "true"}}),
                    "FF_USE_JOB_ROUTER"));
  runner.feature_flags["FF_USE_JOB_ROUTER"] = true;
  CHECK(flag_value(runner, job({}), "FF_USE_JOB_ROUTER"));
}

TEST_CASE("a flag that does not exist is false") {
  CHECK(!flag_value({}, job({{"FF_NONE", "true"}}), "FF_NONE"));
}

TEST_CASE("a variable that is no bool counts as false and is named") {
  auto odd = job({{"FF_TIMESTAMPS", "yes"}, {"FF_HASH_CACHE_KEYS", "TRUE"}});
  CHECK(!flag_value({}, odd, "FF_TIMESTAMPS"));
  auto lines = bad_flag_variables({}, odd);
  REQUIRE_EQ(lines.size(), 1);
  CHECK_NE(lines[0].find("FF_TIMESTAMPS"), std::string::npos);
  CHECK(bad_flag_variables({}, job({})).empty());
}

TEST_CASE("flags that differ from their defaults come in declaration order") {
  runner_config runner;
  runner.feature_flags = {{"FF_TIMESTAMPS", false},
                          {"FF_SCRIPT_SECTIONS", true},
                          {"FF_USE_FASTZIP", true},
                          {"FF_UNKNOWN", true}};
  auto set = job({{"FF_NETWORK_PER_BUILD", "true"}});
  CHECK_EQ(changed_flags_text(runner, set),
           "FF_NETWORK_PER_BUILD:true, FF_SCRIPT_SECTIONS:true, "
           "FF_TIMESTAMPS:false");
  CHECK_EQ(changed_flags_text({}, {}), "");
}

TEST_CASE("no flag is declared twice") {
  std::set<std::string_view> names;
  for (const auto& flag : feature_flags())
    CHECK(names.insert(flag.name).second);
  CHECK_EQ(names.size(), 41);
}
