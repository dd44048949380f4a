#include "tests/unit/pipeline/parsed.hpp"

using namespace muster::gitlab;
using namespace muster::test;

namespace {

using indices = std::vector<size_t>;

const char* with_artifacts = R"(
stages: [build, test, deploy]
a: {stage: build, script: x, artifacts: {paths: [a]}}
b: {stage: build, script: x, artifacts: {reports: {junit: b.xml}}}
c: {stage: build, script: x}
)";

} // namespace

TEST_CASE("artifacts come from earlier stages, needs or dependencies") {
  struct row {
    const char* job;
    indices needs;
    indices dependencies;
  };
  const row rows[] = {
    {"{stage: test, script: x}", {}, {0, 1}},
    {"{stage: build, script: x}", {}, {}},
    {"{stage: test, script: x, dependencies: []}", {}, {}},
    {"{stage: test, script: x, dependencies: [b]}", {}, {1}},
    {"{stage: test, script: x, dependencies: [b, c]}", {}, {1}},
    {"{stage: test, script: x, needs: [a, c]}", {0, 2}, {0}},
    {"{stage: test, script: x, needs: []}", {}, {}},
    {"{stage: test, script: x, needs: [{job: a, artifacts: false}, b]}",
     {0, 1},
     {1}},
    {"{stage: test, script: x, needs: [a, b], dependencies: [a]}", {0, 1}, {0}},
    {"{stage: build, script: x, needs: [a]}", {0}, {0}},
    {"{stage: test, script: x, needs: [{job: gone, optional: true}]}", {}, {}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.job);
    auto file = parsed(std::string{with_artifacts} + "job: " + r.job + "\n");
    const auto& job = job_named(file, "job");
    CHECK_EQ(job.needs, r.needs);
    CHECK_EQ(job.dependencies, r.dependencies);
  }
}

TEST_CASE("wrong needs and dependencies are refused") {
  struct row {
    const char* job;
    const char* message;
  };
  const row rows[] = {
    {"{script: x, needs: [gone]}", "job needs gone, which is not there"},
    {"{script: x, needs: [out]}",
     "job needs out, which its rules keep out of this pipeline; with optional"},
    {"{script: x, stage: build, needs: [later]}", "of a later stage"},
    {"{script: x, needs: [{jbo: a}]}", "did you mean \"job\"?"},
    {"{script: x, needs: [[[{}]]]}", "a need is the name"},
    {"{script: x, needs: {job: a}}", "needs must be a list"},
    {"{script: x, dependencies: [gone]}", "depends on gone"},
    {"{script: x, stage: build, dependencies: [later]}", "come before it"},
    {"{script: x, needs: [a], dependencies: [b]}", "must be in needs"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.job);
    auto text = refused(std::string{with_artifacts}
                        + "later: {stage: deploy, script: x}\n"
                          "out: {script: x, rules: [{when: never}]}\njob: "
                        + r.job + "\n");
    CAPTURE(text);
    CHECK_NE(text.find(r.message), std::string::npos);
  }
}

TEST_CASE("needs of other projects make a job that cannot run here") {
  auto file = parsed("job: {script: x, needs: [{project: a/b, job: c, ref: d, "
                     "artifacts: true, optional: true}]}\n");
  REQUIRE_FALSE(job_named(file, "job").refusals.empty());
  CHECK_NE(job_named(file, "job").refusals[0].text.find("other projects"),
           std::string::npos);
}

TEST_CASE("named jobs bring along what they need, unless they are alone") {
  const auto* text = R"(
stages: [build, test, deploy]
lib: {stage: build, script: x, artifacts: {paths: [lib]}}
docs: {stage: build, script: x}
unit: {stage: test, script: x}
gate: {stage: test, script: x, when: manual, needs: [lib]}
ship: {stage: deploy, script: x, needs: [gate]}
many: {stage: deploy, script: x, parallel: 2}
out: {script: x, rules: [{when: never}]}
)";
  auto selected = [&](std::vector<std::string> names, bool alone = false) {
    auto file = parsed(text);
    auto problem = select_jobs(file, names, alone);
    std::string out = problem;
    for (const auto& x : file.jobs)
      out += (out.empty() ? "" : " ") + x.name;
    return problem.empty() ? out : problem;
  };
  CHECK_EQ(selected({"unit"}), "lib unit"); // lib has artifacts, docs none
  CHECK_EQ(selected({"unit"}, true), "unit");
  CHECK_EQ(selected({"ship"}), "lib gate ship");
  CHECK_EQ(selected({"docs", "lib"}), "lib docs");
  CHECK_EQ(selected({"many"}), "lib many 1/2 many 2/2");
  CHECK_EQ(selected({"many 2/2"}, true), "many 2/2");
  CHECK_EQ(selected({"units"}),
           "there is no job \"units\", did you mean \"unit\"?");
  CHECK_NE(selected({"zzz"}).find("--list"), std::string::npos);
  CHECK_NE(selected({"out"}).find("rules keep job \"out\" out"),
           std::string::npos);
  auto file = parsed(text);
  select_jobs(file, {"ship"}, false);
  CHECK_EQ(job_named(file, "gate").spec["when"], "on_success");
  CHECK_EQ(job_named(file, "ship").needs, indices{1});
  CHECK_EQ(job_named(file, "gate").dependencies, indices{0});
}
