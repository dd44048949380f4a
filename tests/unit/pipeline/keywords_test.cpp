#include "tests/unit/pipeline/parsed.hpp"
#include "tools/coordinator/pipeline/keywords.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

using namespace muster::gitlab;
using namespace muster::test;
using nlohmann::json;

namespace {

json spec_of(const std::string& keywords,
             const pipeline_context& context = push_to_main()) {
  return job_named(parsed("job: {script: x, " + keywords + "}\n", context),
                   "job")
    .spec;
}

} // namespace

TEST_CASE("what a job is made of is taken over") {
  CHECK_EQ(spec_of("timeout: 1h 30m")["timeout"], "1h 30m");
  CHECK_EQ(spec_of("allow_failure: true")["allow_failure"], true);
  CHECK_EQ(spec_of("allow_failure: {exit_codes: 7}")["allow_failure"],
           json({{"exit_codes", {7}}}));
  CHECK_EQ(spec_of("retry: 2")["retry"], json({{"max", 2}}));
  CHECK_EQ(
    spec_of("retry: {max: 1, when: [script_failure], exit_codes: [3, "
            "4]}")["retry"],
    json({{"max", 1}, {"when", {"script_failure"}}, {"exit_codes", {3, 4}}}));
  CHECK_EQ(spec_of("environment: prod")["environment"],
           json({{"name", "prod"}}));
  CHECK_EQ(spec_of("environment: {name: p, url: http://x, action: "
                   "stop}")["environment"]["action"],
           "stop");
  CHECK_EQ(spec_of("hooks: {pre_get_sources_script: [a]}")["hooks"],
           json({{"pre_get_sources_script", {"a"}}}));
}

TEST_CASE("images and services are taken over with what they are made from") {
  CHECK_EQ(spec_of("image: alpine")["image"], "alpine");
  CHECK_EQ(spec_of("image: 1.10")["image"], "1.10");
  CHECK_FALSE(spec_of("image:").contains("image"));
  CHECK_EQ(spec_of("image: {name: a:1, entrypoint: [\"\"], pull_policy: never, "
                   "docker: {platform: arm64/v8, user: 1000}}")["image"],
           json({{"name", "a:1"},
                 {"entrypoint", {""}},
                 {"pull_policy", {"never"}},
                 {"docker", {{"platform", "arm64/v8"}, {"user", "1000"}}}}));
  CHECK_EQ(spec_of("image: {name: a, pull_policy: [always, "
                   "if-not-present]}")["image"]["pull_policy"],
           json({"always", "if-not-present"}));
  CHECK_EQ(spec_of("services: []")["services"], json::array());
  CHECK_EQ(
    spec_of("services: [redis, {name: pg:16, alias: 'db,sql', command: [pg, "
            "-c, 'a=b c'], entrypoint: [e], pull_policy: if-not-present, "
            "variables: {A: '$B', C: {value: d, expand: false}}, docker: "
            "{user: pg}}]")["services"],
    json::array({"redis",
                 {{"name", "pg:16"},
                  {"alias", "db,sql"},
                  {"command", {"pg", "-c", "a=b c"}},
                  {"entrypoint", {"e"}},
                  {"pull_policy", {"if-not-present"}},
                  {"variables",
                   {{"A", "$B"}, {"C", {{"value", "d"}, {"expand", false}}}}},
                  {"docker", {{"user", "pg"}}}}}));
}

TEST_CASE("a job's own image and services win over default's, and those over "
          "what stands at the top") {
  auto image = [](const std::string& top, const std::string& job) {
    return job_named(parsed(top + "job: {script: x" + job + "}\n"), "job")
      .spec.value("image", json{});
  };
  CHECK_EQ(image("image: top\n", ""), "top");
  CHECK_EQ(image("default: {image: d}\n", ""), "d");
  CHECK_EQ(image("default: {image: d}\n", ", image: own"), "own");
  CHECK_EQ(image("image: top\n", ", inherit: {default: false}"), json{});
  auto spec = job_named(parsed("default: {services: [a]}\n"
                               ".base: {image: {name: b, pull_policy: never}}\n"
                               "job: {extends: .base, script: x, services: [],"
                               " image: {name: c}}\n"),
                        "job")
                .spec;
  CHECK_EQ(spec["services"], json::array());
  CHECK_EQ(spec["image"], json({{"name", "c"}, {"pull_policy", {"never"}}}));
}

TEST_CASE("where jobs do not run in containers, images are named, and looked "
          "at all the same") {
  auto context = push_to_main();
  context.containers = false;
  auto read = parse_pipeline("image: a\n"
                             "one: {script: x}\n"
                             "two: {script: x, services: [b]}\n",
                             context);
  CHECK(read.notes.passed());
  auto what = said(read);
  CHECK_NE(what.find("warning ci.yml:1:1: image has no effect here: jobs run "
                     "on the instance itself"),
           std::string::npos);
  CHECK_NE(what.find("ci.yml:3:18: services has no effect here: "),
           std::string::npos);
  CHECK_NE(refused("job: {script: x, image: {nmae: a}}\n", context)
             .find("did you mean \"name\"?"),
           std::string::npos);
  CHECK_EQ(said(parse_pipeline("image: a\njob: {script: x}\n", push_to_main())),
           "");
}

TEST_CASE("artifacts are taken over with their reports") {
  auto spec = spec_of("artifacts: {paths: [a, b], exclude: [c], untracked: "
                      "true, name: n, when: always, expire_in: 1 week, "
                      "reports: {junit: j.xml, dotenv: [d.env], "
                      "coverage_report: {coverage_format: cobertura, path: "
                      "c.xml}}}");
  CHECK_EQ(spec["artifacts"], json({{"paths", {"a", "b"}},
                                    {"exclude", {"c"}},
                                    {"untracked", true},
                                    {"name", "n"},
                                    {"when", "always"},
                                    {"expire_in", "1 week"},
                                    {"reports",
                                     {{"junit", {"j.xml"}},
                                      {"dotenv", {"d.env"}},
                                      {"cobertura", {"c.xml"}}}}}));
}

TEST_CASE("caches are taken over, one or several, with made keys") {
  CHECK_EQ(spec_of("cache: {paths: [a], key: k, policy: pull, when: always, "
                   "untracked: true, fallback_keys: [f]}")["cache"],
           json::array({{{"paths", {"a"}},
                         {"key", "k"},
                         {"policy", "pull"},
                         {"when", "always"},
                         {"untracked", true},
                         {"fallback_keys", {"f"}}}}));
  CHECK_EQ(
    spec_of("cache: [{paths: [a]}, {paths: [b], policy: $P}]")["cache"].size(),
    2);
  CHECK_EQ(spec_of("cache: []")["cache"], json::array());
  CHECK_EQ(spec_of("cache: {}")["cache"], json::array());
  auto context = push_to_main();
  auto files = std::make_shared<made_files>();
  files->texts = {{"go.sum", ""}};
  context.files = files;
  const auto* key = "cache: {paths: [a], key: {files: [go.sum], prefix: p}}";
  CHECK_EQ(spec_of(key, context)["cache"][0]["key"], "p-<go.sum>");
  CHECK_EQ(spec_of(key)["cache"][0]["key"], "p-default");
}

TEST_CASE("defaults are inherited as the job wishes") {
  const std::string top = R"(
default: {timeout: 5m, retry: 1, before_script: [b]}
variables: {A: a, B: b}
)";
  auto spec = [&](const std::string& keywords) {
    return job_named(parsed(top + "job: {script: x" + keywords + "}\n"), "job")
      .spec;
  };
  CHECK_EQ(spec("")["timeout"], "5m");
  CHECK_EQ(spec(", timeout: 1m")["timeout"], "1m");
  CHECK_EQ(spec(", before_script: []")["before_script"], json::array());
  auto none = spec(", inherit: {default: false, variables: false}");
  CHECK_FALSE(none.contains("timeout"));
  CHECK_EQ(none["variables"], json::object());
  auto some = spec(", inherit: {default: [retry], variables: [B]}");
  CHECK_FALSE(some.contains("timeout"));
  CHECK_EQ(some["retry"]["max"], 1);
  CHECK_EQ(some["variables"], json({{"B", "b"}}));
}

TEST_CASE("every keyword without effect is named, once each") {
  for (const auto& x : all_keywords()) {
    if (x.use != keyword_use::ignored)
      continue;
    auto name = std::string{x.name};
    std::string text = "job: {script: x}\nother: {script: x}\n";
    if (x.scope == "file" || x.scope == "default")
      text += (x.scope == "file" ? name + ": {name: x}\n"
                                 : "default: {" + name + ": x}\n");
    else if (x.scope == "job")
      text = "job: {script: x, " + name + ": x}\nother: {script: x, " + name
             + ": x}\n";
    else if (x.scope == "rules")
      text += "more: {script: x, rules: [{" + name + ": true}]}\n";
    else if (x.scope == "workflow")
      text += "workflow: {" + name + ": x}\n";
    else if (x.scope == "workflow:rules")
      text += "workflow: {rules: [{" + name + ": x}]}\n";
    else
      text += "more: {script: x, " + std::string{x.scope} + ": {name: x, "
              + name + ": x}}\n";
    CAPTURE(text);
    // A cache has no name; it is only there for `environment` and images.
    if (x.scope == "cache")
      text = "job: {script: x, cache: {" + name + ": x}}\n";
    if (x.scope == "services")
      text = "job: {script: x, services: [{name: x, " + name + ": x}]}\n";
    auto read = parse_pipeline(text, push_to_main());
    auto what = said(read);
    CAPTURE(what);
    CHECK(read.notes.passed());
    CHECK_NE(what.find("warning ci.yml:"), std::string::npos);
    CHECK_NE(what.find(name + " has no effect here: "), std::string::npos);
    CHECK_EQ(what.find(name + " has"), what.rfind(name + " has"));
    if (x.scope == "job")
      CHECK_NE(what.find("(here and 1 more)"), std::string::npos);
  }
}

TEST_CASE("every keyword that would change what runs stops its jobs") {
  for (const auto& x : all_keywords()) {
    if (x.use != keyword_use::refused || x.scope != "job")
      continue;
    auto name = std::string{x.name};
    CAPTURE(name);
    auto read = parse_pipeline("fine: {script: x}\njob: {" + name + ": x}\n",
                               push_to_main());
    if (!read.notes.passed())
      FAIL(said(read));
    CHECK(job_named(read.file, "fine").refusals.empty());
    const auto& refusals = job_named(read.file, "job").refusals;
    REQUIRE_EQ(refusals.size(), 1);
    CHECK_EQ(refusals[0].at.line, 2);
    CHECK_EQ(refusals[0].at.column, 7);
    CHECK_NE(refusals[0].text.find("\"" + name
                                   + "\" in job job is not "
                                     "supported here: "),
             std::string::npos);
  }
  auto by_default = parsed("default: {id_tokens: {T: {aud: x}}}\n"
                           "job: {script: x}\n"
                           "other: {script: x, inherit: {default: false}}\n");
  CHECK_FALSE(job_named(by_default, "job").refusals.empty());
  CHECK(job_named(by_default, "other").refusals.empty());
  auto context = push_to_main();
  context.given["T"] = "made elsewhere";
  auto given = parsed("job: {script: x, id_tokens: {T: {aud: x}}}\n"
                      "other: {script: x, secrets: {T: {}, U: {}}}\n",
                      context);
  CHECK(job_named(given, "job").refusals.empty());
  CHECK_FALSE(job_named(given, "other").refusals.empty());
}

TEST_CASE("every keyword is in docs/try.md, with what becomes of it") {
  const char* root = std::getenv("MUSTER_SOURCE");
  REQUIRE_NE(root, nullptr);
  std::ifstream in{std::string{root} + "/docs/try.md"};
  std::string page{std::istreambuf_iterator<char>{in}, {}};
  REQUIRE_FALSE(page.empty());
  auto part = [&](const std::string& heading) {
    auto from = page.find("\n## " + heading);
    REQUIRE_NE(from, std::string::npos);
    return page.substr(from, page.find("\n## ", from + 1) - from);
  };
  auto used = part("Keywords that are used");
  auto ignored = part("Keywords without effect");
  auto refused = part("Keywords that are refused");
  for (const auto& x : all_keywords()) {
    bool top = x.scope == "file" || x.scope == "job" || x.scope == "default";
    auto word = top ? fmt::format("`{}`", x.name)
                    : fmt::format("`{}:{}`", x.scope, x.name);
    CAPTURE(word);
    const auto& where = x.use == keyword_use::used      ? used
                        : x.use == keyword_use::ignored ? ignored
                                                        : refused;
    CHECK_NE(where.find(word), std::string::npos);
  }
}
