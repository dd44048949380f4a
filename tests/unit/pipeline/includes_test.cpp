#include "tests/unit/pipeline/parsed.hpp"

using namespace muster::gitlab;
using namespace muster::test;

namespace {

pipeline_context with_files(std::map<std::string, std::string> texts) {
  auto files = std::make_shared<made_files>();
  files->texts = std::move(texts);
  auto out = push_to_main();
  out.files = files;
  return out;
}

} // namespace

TEST_CASE("local files are included, in every form; the file itself wins") {
  auto context = with_files(
    {{"ci/build.yml", "build: {script: [one], timeout: 5m}\n"},
     {"ci/more/test.yml", "test: {script: x, variables: {A: \"1\"}}\n"},
     {"ci/more/deep.yml", "include: /ci/leaf.yml\ndeep: {extends: .leaf}\n"},
     {"ci/leaf.yml", ".leaf: {script: leaf}\n"},
     {"ci/more/notes.txt", "no yaml"}});
  const char* forms[] = {
    "include: ci/build.yml\n",
    "include: /ci/build.yml\n",
    "include: [ci/build.yml]\n",
    "include: {local: ci/build.yml}\n",
    "include: [{local: ci/build.yml, rules: [{if: $CI_COMMIT_BRANCH}]}]\n",
    "include: {local: 'ci/*.yml'}\n",
    "variables: {WHERE: ci}\ninclude: $WHERE/build.yml\n",
  };
  for (const auto* form : forms) {
    CAPTURE(form);
    auto file = parsed(std::string{form} + "build: {script: [two]}\n", context);
    const auto& build = job_named(file, "build");
    CHECK_EQ(build.spec["script"], nlohmann::json::array({"two"}));
    CHECK_EQ(build.spec["timeout"], "5m");
  }
  auto all = parsed("include: 'ci/**.yml'\n", context);
  CHECK(has_job(all, "build"));
  CHECK(has_job(all, "deep"));
  all = parsed("include: 'ci/*.yml'\n", context);
  CHECK(has_job(all, "build"));
  CHECK_FALSE(has_job(all, "deep"));
  all = parsed("include: 'ci/**/*.yml'\n", context);
  CHECK_FALSE(has_job(all, "build")); // folders below only, as GitLab has it
  CHECK(has_job(all, "deep"));
  CHECK_EQ(job_named(all, "deep").spec["script"],
           nlohmann::json::array({"leaf"}));
  auto without = parsed("include: [{local: ci/build.yml, rules: [{if: "
                        "$GONE}]}]\njob: {script: x}\n",
                        context);
  CHECK_FALSE(has_job(without, "build"));
}

TEST_CASE("errors of an included file have its name") {
  auto context = with_files(
    {{"a.yml", "\njob:\n  script: x\n  scirpt: y\n"}, {"b.yml", "x: [\n"}});
  CHECK_NE(refused("include: a.yml\n", context).find("a.yml:4:3: \"scirpt\""),
           std::string::npos);
  CHECK_NE(refused("include: b.yml\n", context).find("b.yml:"),
           std::string::npos);
  auto read = parse_pipeline("include: a.yml\n", context);
  CHECK_NE(
    read.notes.shown(read.notes.diagnostics().front()).find("  scirpt: y\n"),
    std::string::npos);
}

TEST_CASE("includes that cannot be are named") {
  auto context = with_files({{"self.yml", "include: other.yml\n"},
                             {"other.yml", "include: self.yml\n"},
                             {"list.yml", "- a\n"}});
  struct row {
    const char* text;
    const char* message;
  };
  const row rows[] = {
    {"include: gone.yml\n", "ci.yml:1:10: there is no file \"gone.yml\""},
    {"include: ../x.yml\n", "there is no file \"../x.yml\""},
    {"include: '*.yaml'\n", "no file fits"},
    {"include: self.yml\n", "self.yml"},
    {"include: list.yml\n", "holds no map of jobs"},
    {"include: https://example.com/a.yml\n",
     "include of a URL is not supported here"},
    {"include: {project: g/p, file: x.yml}\n",
     "\"project\" in include is not supported here"},
    {"include: [{template: Auto.yml}]\n",
     "ci.yml:1:12: \"template\" in include is not supported here"},
    {"include: {component: host/x@1}\n", "\"component\" in include"},
    {"include: {remote: 'https://x/y.yml'}\n", "\"remote\" in include"},
    {"include: {local: list.yml, inputs: {a: b}}\n", "\"inputs\" in include"},
    {"include: {locla: a}\n", "did you mean \"local\"?"},
    {"include: [[a]]\n", "an include is a path"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto text = refused(std::string{r.text} + "job: {script: x}\n", context);
    CAPTURE(text);
    CHECK_NE(text.find(r.message), std::string::npos);
  }
  CHECK_NE(
    refused("include: a.yml\njob: {script: x}\n").find("there is no project"),
    std::string::npos);
}

TEST_CASE("references take parts of other jobs, nested ones too") {
  auto file = parsed(R"(
.setup:
  script: [one, two]
  variables: {A: a}
.more:
  script:
    - !reference [.setup, script]
    - three
.rules: {rules: [{if: $GONE}, {when: always}]}
job:
  variables: !reference [.setup, variables]
  script:
    - !reference [.more, script]
    - four
  rules:
    - !reference [.rules, rules]
  after_script: !reference [.setup, script]
)");
  const auto& spec = job_named(file, "job").spec;
  CHECK_EQ(spec["script"],
           nlohmann::json::array({"one", "two", "three", "four"}));
  CHECK_EQ(spec["after_script"], nlohmann::json::array({"one", "two"}));
  CHECK_EQ(spec["variables"]["A"], "a");
  CHECK_EQ(spec["when"], "always");
  CHECK_NE(refused("a: {script: !reference [.gone, script]}\n")
             .find("ci.yml:1:25: !reference [.gone, script] names \".gone\""),
           std::string::npos);
  CHECK_NE(refused("a: {script: !reference [b, script]}\n"
                   "b: {script: !reference [a, script]}\n")
             .find("in a circle"),
           std::string::npos);
  CHECK_NE(refused("a: {script: !reference x}\n").find("takes a list"),
           std::string::npos);
  CHECK_NE(refused("a: {script: !other x}\n").find("tag !other"),
           std::string::npos);
}
