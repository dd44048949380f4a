#include "tools/coordinator/job_spec.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace muster::gitlab;
using nlohmann::json;

namespace {

job_view view_of(const json& spec) {
  auto made = job_from_json(spec, {});
  if (!made)
    FAIL(made.error().text);
  job_view job;
  job.id = 7;
  job.token = "glcbt-x";
  job.name = made->name;
  job.stage = made->stage;
  job.project = made->project;
  job.what = std::make_shared<const job_template>(std::move(*made));
  return job;
}

json payload(const json& spec) {
  return payload_of(view_of(spec), "http://127.0.0.1:80/gitlab", {});
}

/// The last variable of that name: it is the one that counts.
json variable(const json& payload, const std::string& key) {
  json found;
  for (const auto& x : payload["variables"])
    if (x["key"] == key)
      found = x;
  return found;
}

} // namespace

TEST_CASE("the short form becomes a whole payload") {
  auto x = payload({{"name", "build"},
                    {"stage", "compile"},
                    {"before_script", "one"},
                    {"script", {"two", "three"}},
                    {"after_script", "four"},
                    {"timeout", "2m"},
                    {"variables", {{"K", "v"}, {"N", 5}}},
                    {"masked", {{"SECRET", "hidden-value"}}}});
  CHECK_EQ(x["id"], 7);
  CHECK_EQ(x["token"], "glcbt-x");
  CHECK_EQ(x["job_info"]["name"], "build");
  CHECK_EQ(x["job_info"]["stage"], "compile");
  REQUIRE_EQ(x["steps"].size(), 2);
  CHECK_EQ(x["steps"][0]["script"], json({"one", "two", "three"}));
  CHECK_EQ(x["steps"][1]["name"], "after_script");
  CHECK_EQ(x["steps"][1]["when"], "always");
  CHECK_EQ(x["runner_info"]["timeout"], 120);
  CHECK_EQ(x["features"]["trace_sections"], true);
  CHECK_EQ(x["git_info"]["depth"], 20);
  CHECK_EQ(x["git_info"]["repo_url"],
           "http://gitlab-ci-token:glcbt-x@127.0.0.1:80/gitlab/root/test.git");
  CHECK_EQ(variable(x, "K")["value"], "v");
  CHECK_EQ(variable(x, "N")["value"], "5");
  CHECK_EQ(variable(x, "SECRET")["masked"], true);
  CHECK_EQ(variable(x, "CI_JOB_TOKEN")["masked"], true);
  CHECK_EQ(variable(x, "CI_JOB_ID")["value"], "7");
  CHECK_EQ(variable(x, "CI_SERVER_URL")["value"], "http://127.0.0.1:80/gitlab");
  CHECK_EQ(variable(x, "CI_SERVER_HOST")["value"], "127.0.0.1");
  CHECK_EQ(variable(x, "GIT_STRATEGY")["value"], "none"); // no repository
}

TEST_CASE("a job's own variables come after the predefined ones") {
  auto x = payload({{"script", "true"}, {"variables", {{"CI", "mine"}}}});
  CHECK_EQ(variable(x, "CI")["value"], "mine");
  CHECK(variable(payload({{"script", "true"}, {"predefined", false}}), "CI")
          .is_null());
}

TEST_CASE("images, services, caches and artifacts are put into the payload") {
  auto x = payload({
    {"script", "true"},
    {"image", {{"name", "debian:12"}, {"pull_policy", "never"}}},
    {"services", {"redis", {{"name", "pg"}, {"alias", "db"}}}},
    {"cache", {{"key", "k"}, {"paths", json::array({"a"})}}},
    {"artifacts",
     {{"paths", json::array({"out"})}, {"reports", {{"junit", "r.xml"}}}}},
  });
  CHECK_EQ(x["image"]["name"], "debian:12");
  CHECK_EQ(x["image"]["pull_policy"], json::array({"never"}));
  CHECK_EQ(x["services"][0]["name"], "redis");
  CHECK_EQ(x["services"][1]["alias"], "db");
  CHECK_EQ(x["cache"][0]["policy"], "pull-push");
  CHECK_EQ(x["artifacts"][0]["artifact_type"], "archive");
  CHECK_EQ(x["artifacts"][1]["artifact_type"], "junit");
  CHECK(payload({{"script", "true"}})["image"].is_null());
}

TEST_CASE("a full payload is handed out as it is") {
  json full{
    {"id", 99},
    {"steps", json::array()},
    {"variables", json::array({{{"key", "EXPECT"}, {"value", "failed"}}})},
    {"job_info", {{"name", "n"}}},
    {"git_info", {{"repo_url", "http://elsewhere/x.git"}}},
    {"unheard_of", {1, 2}}};
  auto job = view_of(full);
  CHECK_EQ(job.what->expect, "failed");
  auto x = payload_of(job, "http://h:1", {});
  CHECK_EQ(x["id"], 7);
  CHECK_EQ(x["unheard_of"], json({1, 2}));
  CHECK_EQ(x["git_info"]["repo_url"], "http://elsewhere/x.git");
  CHECK_EQ(x["variables"].size(), 1);
}

TEST_CASE("payload is merged over what was made") {
  auto x = payload({{"script", "true"},
                    {"payload",
                     {{"features", {{"trace_sections", false}}},
                      {"allow_git_fetch", nullptr}}}});
  CHECK_EQ(x["features"]["trace_sections"], false);
  CHECK(x["features"].contains("failure_reasons"));
  CHECK_FALSE(x.contains("allow_git_fetch"));
}

TEST_CASE("the expected end is the variable EXPECT, or said outright") {
  json spec{{"script", "x"}, {"variables", {{"EXPECT", "failed:3"}}}};
  CHECK_EQ(view_of(spec).what->expect, "failed:3");
  spec["expect"] = "canceled";
  CHECK_EQ(view_of(spec).what->expect, "canceled");
}

TEST_CASE("nonsense is refused and named") {
  struct row {
    json spec;
    spec_errc code;
    const char* named;
  };
  const row rows[] = {
    {{{"scirpt", "x"}}, spec_errc::unknown_key, "scirpt"},
    {{{"script", {{"a", 1}}}}, spec_errc::bad_value, "script"},
    {{{"script", "x"}, {"timeout", "soon"}}, spec_errc::bad_value, "soon"},
    {{{"script", "x"}, {"when", "later"}}, spec_errc::bad_value, "later"},
    {{{"script", "x"}, {"name", 5}}, spec_errc::bad_value, "string"},
    {{{"script", "x"}, {"variables", {{"A", json::array()}}}},
     spec_errc::bad_value,
     "A"},
    {{{"script", "x"}, {"allow_failure", "maybe"}},
     spec_errc::bad_value,
     "allow_failure"},
    {"text", spec_errc::bad_value, "object"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.spec.dump());
    auto bad = job_from_json(r.spec, {});
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == r.code);
    CAPTURE(bad.error().text);
    CHECK_NE(bad.error().text.find(r.named), std::string::npos);
  }
}

TEST_CASE("durations are read as people write them") {
  struct row {
    std::string text;
    int64_t seconds; ///< -1: none
  };
  const row rows[] = {
    {"90", 90},          {"1h 30m", 5400}, {"2 hours 5 min", 7500},
    {"3 hours and", -1}, {"1d", 86400},    {"10 seconds", 10},
    {"1 week", 604800},  {"1 month", -1},  {"", -1},
    {"soon", -1},        {"-5m", -1},      {"99999999999999999999s", -1},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto time = parse_timeout(r.text);
    CHECK_EQ(time ? time->count() : -1, r.seconds);
  }
}
