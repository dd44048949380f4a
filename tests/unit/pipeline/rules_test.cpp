#include "tests/unit/pipeline/parsed.hpp"

using namespace muster::gitlab;
using namespace muster::test;
using nlohmann::json;

namespace {

/// How the job of such rules runs: its `when`, or `out`.
std::string when_of_rules(const std::string& rules,
                          const pipeline_context& context = push_to_main(),
                          const std::string& more = "") {
  auto file = parsed("always_there: {script: x}\njob:\n  script: x\n" + more
                       + "  rules:\n" + rules,
                     context);
  return has_job(file, "job")
           ? job_named(file, "job").spec["when"].get<std::string>()
           : "out";
}

std::shared_ptr<made_files> some_files() {
  auto files = std::make_shared<made_files>();
  files->texts = {{"Dockerfile", ""}, {"src/main.c", ""}, {"docs/a.md", ""}};
  return files;
}

} // namespace

TEST_CASE("the first rule that holds decides") {
  struct row {
    const char* rules;
    const char* expected;
  };
  const row rows[] = {
    {"    - if: $GONE\n", "out"},
    {"    - if: $CI_COMMIT_BRANCH\n", "on_success"},
    {"    - when: always\n", "always"},
    {"    - if: $GONE\n      when: always\n    - when: on_failure\n",
     "on_failure"},
    {"    - if: $CI_COMMIT_BRANCH == \"main\"\n      when: never\n"
     "    - when: always\n",
     "out"},
    {"    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH\n      when: manual\n",
     "manual"},
    {"    []\n", "out"},
    {"    - {}\n", "on_success"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.rules);
    CHECK_EQ(when_of_rules(r.rules), r.expected);
  }
}

TEST_CASE("a rule changes when, allow_failure, variables and needs") {
  auto file = parsed(R"(
a: {stage: build, script: x}
job:
  script: x
  when: manual
  variables: {V: job, W: job}
  rules:
    - if: $CI_COMMIT_BRANCH
      allow_failure: true
      variables: {V: rule}
      needs: [a]
by_hand: {script: x, rules: [{when: manual}]}
)");
  const auto& job = job_named(file, "job");
  CHECK_EQ(job.spec["when"], "manual"); // a rule without takes the job's
  CHECK_EQ(job.spec["allow_failure"], true);
  CHECK_EQ(job.spec["variables"], json({{"V", "rule"}, {"W", "job"}}));
  CHECK_EQ(job.needs, std::vector<size_t>{0});
  // By rules it holds up the pipeline, by itself it does not.
  CHECK_FALSE(job_named(file, "by_hand").spec.contains("allow_failure"));
  CHECK_EQ(job_named(parsed("j: {script: x, when: manual}\n"), "j")
             .spec["allow_failure"],
           true);
}

TEST_CASE("rules see all variables, the given ones first") {
  auto context = push_to_main();
  const auto* rule = "    - if: $V == \"main-job\"\n";
  const auto* more = "  variables: {V: $CI_COMMIT_BRANCH-job}\n";
  CHECK_EQ(when_of_rules(rule, context, more), "on_success");
  context.given["V"] = "given";
  CHECK_EQ(when_of_rules(rule, context, more), "out");
  CHECK_EQ(when_of_rules("    - if: $V == \"given\"\n", context, more),
           "on_success");
  CHECK_EQ(when_of_rules("    - if: $CI_JOB_NAME == \"job\"\n"), "on_success");
  CHECK_EQ(when_of_rules("    - if: $V == \"$CI_COMMIT_BRANCH\"\n",
                         push_to_main(),
                         "  variables: {V: {value: $CI_COMMIT_BRANCH, "
                         "expand: false}}\n"),
           "on_success");
}

TEST_CASE("changes and exists look at the project's files") {
  auto context = push_to_main();
  CHECK_EQ(when_of_rules("    - exists: [Dockerfile]\n", context), "out");
  CHECK_EQ(when_of_rules("    - changes: [Dockerfile]\n", context),
           "on_success"); // nothing to compare with
  auto files = some_files();
  context.files = files;
  CHECK_EQ(when_of_rules("    - exists: [Dockerfile]\n", context),
           "on_success");
  CHECK_EQ(when_of_rules("    - exists: ['**/*.rb']\n", context), "out");
  CHECK_EQ(when_of_rules("    - exists: {paths: [src/*]}\n", context),
           "on_success");
  CHECK_EQ(when_of_rules("    - exists: [/Dockerfile]\n", context),
           "on_success");
  auto long_one = "    - exists: ['" + std::string(1'001, '*') + "']\n";
  CHECK_EQ(when_of_rules(long_one.c_str(), context), "out");
  CHECK_EQ(when_of_rules("    - changes: [src/*]\n", context), "on_success");
  files->changed = {"docs/a.md"};
  CHECK_EQ(when_of_rules("    - changes: [src/*]\n", context), "out");
  CHECK_EQ(when_of_rules("    - changes: [src/*, docs/**]\n", context),
           "on_success");
  CHECK_EQ(when_of_rules("    - changes: [$DIR/**]\n", context,
                         "  variables: {DIR: docs}\n"),
           "on_success");
  when_of_rules("    - changes: {paths: [x], compare_to: $CI_DEFAULT_BRANCH}\n",
                context);
  CHECK_EQ(files->compared_to, "main");
  CHECK_EQ(when_of_rules("    - if: $GONE\n      changes: [docs/*]\n", context),
           "out"); // all of a rule must hold
}

TEST_CASE("only and except, as far as they are simple") {
  struct row {
    const char* policy;
    bool runs;
  };
  const row rows[] = {
    {"only: [branches]", true},
    {"only: branches", true},
    {"only: [tags]", false},
    {"only: [main]", true},
    {"only: [main@group/project]", true},
    {"only: [/^ma/]", true},
    {"only: [/^rel/]", false},
    {"only: [merge_requests]", false},
    {"only: [pushes]", true},
    {"except: [main]", false},
    {"except: [tags]", true},
    {"except: [/^MAIN$/i]", false},
    {"only: {refs: [main]}", true},
    {"only: {refs: [main], variables: [$GONE]}", false},
    {"only: {variables: [$GONE, $CI_COMMIT_BRANCH]}", true},
    {"only: {changes: [src/*]}", false},
    {"only: {changes: [docs/*]}", true},
    {"except: {changes: [docs/*]}", false},
    {"except: {variables: [$GONE]}", true},
    {"except: {refs: [tags], variables: [$CI_COMMIT_BRANCH]}", false},
    {"only: [main]\n  except: [branches]", false},
  };
  auto files = some_files();
  files->changed = {"docs/a.md"};
  auto context = push_to_main();
  context.files = files;
  for (const auto& r : rows) {
    CAPTURE(r.policy);
    auto file = parsed("other: {script: x}\njob:\n  script: x\n  "
                         + std::string{r.policy} + "\n",
                       context);
    CHECK_EQ(has_job(file, "job"), r.runs);
  }
}

TEST_CASE("workflow:rules let a pipeline run, with variables, or not") {
  auto file = parsed(R"(
workflow:
  rules:
    - if: $CI_COMMIT_BRANCH == "main"
      variables: {V: workflow, W: workflow}
variables: {V: file, X: file}
job: {script: x, variables: {W: job}}
)");
  CHECK_EQ(job_named(file, "job").spec["variables"],
           json({{"V", "workflow"}, {"W", "job"}, {"X", "file"}}));
  for (const auto* rules : {"[{if: $GONE}]", "[{when: never}]", "[]"}) {
    auto text = refused(std::string{"workflow: {rules: "} + rules
                        + "}\njob: {script: x}\n");
    CHECK_NE(text.find("workflow:rules let no pipeline run"),
             std::string::npos);
    CHECK_NE(text.find("--variable"), std::string::npos);
  }
}

TEST_CASE("wrong rules are refused with their place, also behind one that "
          "holds") {
  struct row {
    const char* rules;
    const char* message;
  };
  const row rows[] = {
    {"{}", "ci.yml:1:25: rules in job job must be a list"},
    {"[x]", "ci.yml:1:26: a rule in job job must be a map"},
    {"[{fi: $A}]", "ci.yml:1:27: \"fi\" in a rule of job job is no keyword; "
                   "did you mean \"if\"?"},
    {"[{when: soon}]", "when in job job: \"soon\" is none of"},
    {"[{if: [x]}]", "must be an expression"},
    {"[{when: always}, {if: \"$A = 1\"}]", "ci.yml:1:47: if in job job: what"},
    {"[{changes: {compare_to: x}}]", "has no paths"},
    {"[{exists: {project: x, paths: [a]}}]", "not supported here"},
    {"[{allow_failure: often}]", "true or false"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.rules);
    auto text
      = refused("job: {script: x, rules: " + std::string{r.rules} + "}\n");
    CAPTURE(text);
    CHECK_NE(text.find(r.message), std::string::npos);
  }
  CHECK_NE(refused("job: {script: x, rules: [{when: always}], only: [main]}\n")
             .find("both rules and only"),
           std::string::npos);
  CHECK_NE(refused("job: {script: x, rules: [{if: $GONE}]}\n")
             .find("rules keep out all of them"),
           std::string::npos);
}
