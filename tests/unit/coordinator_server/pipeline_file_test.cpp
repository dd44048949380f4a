#include "tools/coordinator/pipeline_file.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace muster::gitlab;
using nlohmann::json;

namespace {

pipeline_file parsed(const std::string& text) {
  auto file = parse_pipeline(text, "ci.yml");
  if (!file)
    FAIL(file.error().text);
  return *file;
}

const file_job& job_named(const pipeline_file& file, const std::string& name) {
  auto at = std::find_if(file.jobs.begin(), file.jobs.end(),
                         [&](const auto& x) { return x.name == name; });
  REQUIRE(at != file.jobs.end());
  return *at;
}

} // namespace

TEST_CASE("jobs come with their scripts, stages and variables") {
  auto file = parsed(R"(
stages: [build, test]
variables:
  A: one
  VERSION: 1.10
  C: {value: three, description: text, expand: false}
default:
  before_script: [echo before]
  timeout: 1h 30m
.hidden:
  script: [not a job]
compile:
  stage: build
  script: make
  after_script:
    - echo after
  variables: {A: two, B: 2}
check:
  before_script: []
  script:
    - echo 1
    - [nested, [more]]
    - |
      several
      lines
    - true
)");
  REQUIRE_EQ(file.jobs.size(), 2);
  CHECK_EQ(file.stages,
           std::vector<std::string>{".pre", "build", "test", ".post"});
  const auto& compile = job_named(file, "compile");
  CHECK_EQ(compile.stage, 1);
  CHECK_EQ(compile.spec["stage"], "build");
  CHECK_EQ(compile.spec["script"], json::array({"make"}));
  CHECK_EQ(compile.spec["before_script"], json::array({"echo before"}));
  CHECK_EQ(compile.spec["after_script"], json::array({"echo after"}));
  CHECK_EQ(compile.spec["timeout"], "1h 30m");
  CHECK_EQ(compile.spec["variables"]["A"], "two");
  CHECK_EQ(compile.spec["variables"]["B"], "2");
  CHECK_EQ(compile.spec["variables"]["VERSION"], "1.10");
  CHECK_EQ(compile.spec["variables"]["C"]["value"], "three");
  CHECK_EQ(compile.spec["variables"]["C"]["expand"], false);
  const auto& check = job_named(file, "check");
  CHECK_EQ(check.stage, 2); // test is the default
  CHECK_EQ(check.spec["before_script"], json::array());
  CHECK_EQ(check.spec["script"], json::array({"echo 1", "nested", "more",
                                              "several\nlines\n", "true"}));
}

TEST_CASE("extends merges maps, replaces the rest, and goes over levels") {
  auto file = parsed(R"(
.a:
  variables: {X: a, Y: a}
  script: [a]
.b:
  extends: .a
  variables: {Y: b}
  timeout: 5m
.c: {tags: [x], variables: {Z: c}}
job:
  extends: [.b, .c]
  variables: {W: job}
)");
  const auto& spec = job_named(file, "job").spec;
  CHECK_EQ(spec["script"], json::array({"a"}));
  CHECK_EQ(spec["timeout"], "5m");
  CHECK_EQ(spec["variables"],
           json({{"X", "a"}, {"Y", "b"}, {"Z", "c"}, {"W", "job"}}));
}

TEST_CASE("anchors and merge keys are resolved, own keys win") {
  auto file = parsed(R"(
.base: &base
  timeout: 10m
  script: &lines [one, two]
job:
  <<: *base
  timeout: 20m
other:
  script: [zero, *lines]
)");
  CHECK_EQ(job_named(file, "job").spec["timeout"], "20m");
  CHECK_EQ(job_named(file, "job").spec["script"], json::array({"one", "two"}));
  CHECK_EQ(job_named(file, "other").spec["script"],
           json::array({"zero", "one", "two"}));
}

TEST_CASE("needs are other jobs, and optional ones may be missing") {
  auto file = parsed(R"(
a: {script: x}
b: {script: x, needs: []}
c:
  script: x
  needs: [a, {job: b, artifacts: true}, {job: gone, optional: true}]
)");
  CHECK_FALSE(job_named(file, "a").has_needs);
  CHECK(job_named(file, "b").has_needs);
  CHECK_EQ(job_named(file, "c").needs, std::vector<size_t>{0, 1});
}

TEST_CASE("what is wrong is said with its place") {
  struct row {
    std::string text;
    yaml_errc code;
    const char* message;
  };
  using enum yaml_errc;
  const row rows[] = {
    {"job:\n  script: x\n  scirpt: y\n", unknown_keyword,
     "ci.yml:3:3: \"scirpt\" in job job is no keyword"},
    {"job:\n  script: x\n  rules: []\n", unknown_keyword,
     "ci.yml:3:3: \"rules\" in job job is not supported here"},
    {"include: other.yml\njob: {script: x}\n", unknown_keyword,
     "ci.yml:1:1: \"include\" in the file is not supported here"},
    {"default:\n  stage: x\njob: {script: x}\n", unknown_keyword,
     "ci.yml:2:3: \"stage\" in default is no keyword"},
    {"stgaes: [a]\njob: {script: x}\n", unknown_keyword,
     "ci.yml:1:1: \"stgaes\" in the file is no keyword"},
    {"job:\n  stage: test\n", bad_value, "ci.yml:1:1: job job has no script"},
    {"job:\n  script: x\n  stage: moon\n", bad_value,
     "ci.yml:3:10: stage moon is not in stages"},
    {"job:\n  script: x\n  timeout: soon\n", bad_value, "ci.yml:3:12: timeout"},
    {"job:\n  script: x\n  when: later\n", bad_value, "ci.yml:3:9: when"},
    {"job:\n  script: {a: b}\n", bad_value, "ci.yml:2:11: script"},
    {"job:\n  script: x\n  needs: [gone]\n", bad_value,
     "ci.yml:3:11: job needs gone"},
    {"job:\n  script: x\n  extends: .gone\n", bad_value,
     "ci.yml:3:12: job extends .gone"},
    {"a: {script: x, needs: [b]}\nb: {script: x, needs: [a]}\n", bad_value,
     "ci.yml:1:1: a needs itself"},
    {".a: {extends: .b}\n.b: {extends: .a}\nj: {extends: .a, script: x}\n",
     bad_value, "extends in a circle"},
    {".a: {script: x}\n", bad_value, "ci.yml:1:1: there is no job"},
    {"job: [\n", malformed, "ci.yml:"},
    {"job:\n  script: !reference [.a, script]\n", malformed, "!reference"},
    {"- a\n", bad_value, "a pipeline is a map"},
    {"", bad_value, "a pipeline is a map"},
    {"variables: [a]\njob: {script: x}\n", bad_value,
     "variables must be a map"},
    {"job:\n  script: x\n  image: {entrypoint: [sh]}\n", bad_value,
     "ci.yml:3:10: image has no name"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto file = parse_pipeline(r.text, "ci.yml");
    REQUIRE_FALSE(file);
    CHECK(file.error().code == r.code);
    CAPTURE(file.error().text);
    CHECK_NE(file.error().text.find(r.message), std::string::npos);
  }
}

TEST_CASE("aliases that multiply are refused before they fill the memory") {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    auto last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k)
      text += (k == 0 ? "" : ", ") + last;
    text += "]\n";
  }
  auto file = parse_pipeline(text, "ci.yml");
  REQUIRE_FALSE(file);
  CHECK_NE(file.error().text.find("too many"), std::string::npos);
}
