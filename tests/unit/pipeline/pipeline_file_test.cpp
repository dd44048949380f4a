#include "tests/unit/pipeline/parsed.hpp"

#include <vector>

using namespace muster::gitlab;
using namespace muster::test;
using nlohmann::json;

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
     "ci.yml:3:3: \"scirpt\" in job job is no keyword; did you mean "
     "\"script\"?"},
    {"default:\n  stage: x\njob: {script: x}\n", unknown_keyword,
     "ci.yml:2:3: \"stage\" in default is no keyword"},
    {"stgaes: [a]\njob: {script: x}\n", unknown_keyword,
     "ci.yml:1:1: \"stgaes\" in the file is no keyword; did you mean "
     "\"stages\"?"},
    {"job:\n  stage: test\n", bad_value, "ci.yml:1:1: job job has no script"},
    {"job:\n  script: []\n", bad_value, "ci.yml:1:1: job job has no script"},
    {"job:\n  script:\n", bad_value, "ci.yml:1:1: job job has no script"},
    {"job:\n  script: x\n  stage: moon\n", bad_value,
     "ci.yml:3:10: stage moon is not in stages"},
    {"job:\n  script: x\n  timeout: soon\n", bad_value,
     "ci.yml:3:12: timeout: \"soon\" is no duration; write 1h 30m"},
    {"job:\n  script: x\n  when: later\n", bad_value, "ci.yml:3:9: when"},
    {"job:\n  script: {a: b}\n", bad_value, "ci.yml:2:11: script"},
    {"job:\n  script: x\n  extends: .gone\n", bad_value,
     "ci.yml:3:12: job extends .gone"},
    {"a: {script: x, needs: [b]}\nb: {script: x, needs: [a]}\n", bad_value,
     "ci.yml:1:1: a needs itself"},
    {".a: {extends: .b}\n.b: {extends: .a}\nj: {extends: .a, script: x}\n",
     bad_value, "extends in a circle"},
    {".a: {script: x}\n", bad_value, "ci.yml:1:1: there is no job"},
    {"job: [\n", malformed, "ci.yml:"},
    {"- a\n", bad_value, "a pipeline is a map"},
    {"", bad_value, "a pipeline is a map"},
    {"variables: [a]\njob: {script: x}\n", bad_value,
     "variables of the file must be a map"},
    {"variables: {A: [a]}\njob: {script: x}\n", bad_value,
     "ci.yml:1:16: variable A of the file must be text"},
    {"variables: {A: {valeu: a}}\njob: {script: x}\n", unknown_keyword,
     "did you mean \"value\"?"},
    {"job:\n  script: x\n  image: {entrypoint: [sh]}\n", bad_value,
     "ci.yml:3:10: image in job job has no name"},
    {"job:\n  script: x\n  image: {name: a, pull: never}\n", unknown_keyword,
     "ci.yml:3:20: \"pull\" in image in job job is no keyword"},
    {"job:\n  script: x\n  image: {name: a, command: [a]}\n", unknown_keyword,
     "ci.yml:3:20: \"command\" in image"},
    {"job:\n  script: x\n  image: [a]\n", bad_value,
     "ci.yml:3:10: image in job job must be the name of an image"},
    {"job:\n  script: x\n  image: {name: [a]}\n", bad_value,
     "ci.yml:3:17: image:name must be text"},
    {"job:\n  script: x\n  image: {name: a, entrypoint: sh}\n", bad_value,
     "ci.yml:3:32: image:entrypoint must be a list of texts; write [\"sh\""},
    {"job:\n  script: x\n  image: {name: a, pull_policy: missing}\n", bad_value,
     "ci.yml:3:33: image:pull_policy: \"missing\" is none of always"},
    {"job:\n  script: x\n  image: {name: a, docker: {usr: x}}\n",
     unknown_keyword, "ci.yml:3:29: \"usr\" in docker of image in job job"},
    {"job:\n  script: x\n  image: {name: a, docker: {user: []}}\n", bad_value,
     "ci.yml:3:35: image:docker:user must be text"},
    {"job:\n  script: x\n  services: redis\n", bad_value,
     "ci.yml:3:13: services in job job must be a list; write - NAME"},
    {"job:\n  script: x\n  services: [{alias: db}]\n", bad_value,
     "ci.yml:3:14: an entry of services in job job has no name"},
    {"job:\n  script: x\n  services: [{name: a, alais: db}]\n", unknown_keyword,
     "did you mean \"alias\"?"},
    {"job:\n  script: x\n  services: [{name: a, variables: {A: [b]}}]\n",
     bad_value, "ci.yml:3:39: variable A of an entry of services"},
    {"job: {script: x, cache: {key: {files: [a], x: y}}}\n", unknown_keyword,
     "\"x\" in cache:key is no keyword"},
    {"job: {script: x, cache: {policy: both}}\n", bad_value, "cache:policy"},
    {"job: {script: x, cache: [{}, {}, {}, {}, {}]}\n", bad_value,
     "more than 4 caches"},
    {"job: {script: x, artifacts: [a]}\n", bad_value,
     "ci.yml:1:29: artifacts in job job must be a map"},
    {"job: {script: x, artifacts: {path: a}}\n", unknown_keyword,
     "did you mean \"paths\"?"},
    {"job: {script: x, artifacts: {reports: {junitt: a}}}\n", unknown_keyword,
     "\"junitt\" is no kind of report"},
    {"job: {script: x, artifacts: {expire_in: soon}}\n", bad_value,
     "artifacts:expire_in"},
    {"job: {script: x, retry: 3}\n", bad_value, "from 0 to 2"},
    {"job: {script: x, retry: {mx: 1}}\n", unknown_keyword,
     "did you mean \"max\"?"},
    {"job: {script: x, allow_failure: {codes: 1}}\n", unknown_keyword,
     "\"codes\""},
    {"job: {script: x, allow_failure: {exit_codes: [x]}}\n", bad_value,
     "whole number"},
    {"job: {script: x, environment: {url: x}}\n", bad_value, "has no name"},
    {"job: {script: x, hooks: {post_clone: x}}\n", unknown_keyword,
     "\"post_clone\""},
    {"job: {script: x, inherit: {vars: true}}\n", unknown_keyword, "\"vars\""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto read = parse_pipeline(r.text, push_to_main());
    auto text = said(read);
    CAPTURE(text);
    REQUIRE_FALSE(read.notes.passed());
    CHECK(*read.notes.first_code() == r.code);
    CHECK_NE(text.find(r.message), std::string::npos);
  }
}

TEST_CASE("all mistakes are told at once, with the line and a caret") {
  auto read = parse_pipeline("a: {script: x, tiemout: 1m}\n"
                             "b:\n"
                             "  script: x\n"
                             "  timeout: soon\n"
                             "c: {script: x, stage: moon}\n",
                             push_to_main());
  auto all = read.notes.diagnostics();
  REQUIRE_EQ(all.size(), 3);
  CHECK_EQ(read.notes.shown(all[1]),
           "ci.yml:4:12: error: timeout: \"soon\" is no duration\n"
           "    timeout: soon\n"
           "             ^\n"
           "  write 1h 30m");
}

TEST_CASE("a delayed job starts at once, and that is said") {
  auto read = parse_pipeline(
    "job: {script: x, when: delayed, start_in: 5 minutes}\n", push_to_main());
  CHECK(read.notes.passed());
  CHECK_EQ(job_named(read.file, "job").spec["when"], "on_success");
  CHECK_NE(said(read).find("warning ci.yml:1:24: when: delayed"),
           std::string::npos);
}
