// Artifacts, what depends on them, and caches, through the whole path.

#include "tests/e2e/try/try_world.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

using namespace muster::test;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What a job printed, each line without the job's name; prefixes are as wide
/// as the longest name.
std::string output_of(const std::string& job, const std::string& shown) {
  std::string out;
  for (size_t begin = 0; begin < shown.size();) {
    auto end = std::min(shown.find('\n', begin), shown.size());
    auto line = shown.substr(begin, end - begin);
    auto bar = line.find(" | ");
    if (bar != std::string::npos && line.starts_with(job)
        && line.find_first_not_of(' ', job.size()) == bar + 1)
      out += line.substr(bar + 3) + "\n";
    begin = end + 1;
  }
  return out;
}

} // namespace

TEST_CASE("artifacts go where needs, dependencies and stages say") {
  try_world x{R"(
stages: [build, test]
make:
  stage: build
  script:
    - mkdir -p out/deep
    - echo kept >out/deep/file
    - echo left >out/deep/file.tmp
    - echo left >elsewhere
    - echo "REPORTED=by report" >build.env
  artifacts:
    name: "bundle $CI_JOB_NAME"
    paths: [out]
    exclude: ["out/**/*.tmp"]
    expire_in: 1 week
    reports: {dotenv: build.env}
loose:
  stage: build
  script: ['echo unknown to git >loose.log']
  artifacts: {untracked: true}
breaks:
  stage: build
  script: ['echo why >why', 'echo never >never', 'exit 3']
  allow_failure: true
  artifacts: {paths: [why], when: on_failure}
unwanted:
  stage: build
  script: ['echo never >unwanted']
  artifacts: {paths: [unwanted], when: on_failure}
needs:
  needs: [make]
  script:
    - cat out/deep/file
    - ls -A
    - 'echo "reported $REPORTED"'
files:
  needs: [{job: make, artifacts: false}, loose]
  script: [ls -A, 'cat loose.log']
depends:
  dependencies: [breaks, loose]
  script: [ls -A, 'cat why']
nothing:
  dependencies: []
  script: [ls -A]
all:
  script: [ls -A, 'cat out/deep/file why loose.log']
)"};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(output_of("make", done.output),
            "Uploading artifacts for successful job"));
  auto needs = output_of("needs", done.output);
  CHECK(has(needs, "Downloading artifacts for make ("));
  CHECK(has(needs, "\nkept\n"));
  CHECK(has(needs, "\nreported by report\n"));
  for (const auto* other : {"\nelsewhere\n", "\nloose.log\n", "\nwhy\n"})
    CHECK_FALSE(has(needs, other));
  auto files = output_of("files", done.output);
  CHECK(has(files, "\nunknown to git\n"));
  CHECK_FALSE(has(files, "\nout\n"));
  auto depends = output_of("depends", done.output);
  CHECK(has(depends, "\nwhy\n"));
  CHECK(has(depends, "\nloose.log\n"));
  for (const auto* other : {"\nout\n", "\nnever\n"})
    CHECK_FALSE(has(depends, other));
  auto nothing = output_of("nothing", done.output);
  CHECK_FALSE(has(nothing, "Downloading artifacts"));
  CHECK_FALSE(has(nothing, "\nout\n"));
  auto all = output_of("all", done.output);
  CHECK(has(all, "\nkept\n"));
  CHECK(has(all, "\nunknown to git\n"));
  CHECK_FALSE(has(all, "unwanted"));
  CHECK_FALSE(has(done.output, "file.tmp >"));
  CHECK(x.leftovers().empty());
}

TEST_CASE("what is not there, or outside of the project, is told") {
  try_world x{R"(
stages: [build, test]
none: {stage: build, script: ['true'], artifacts: {paths: [gone]}}
outside:
  stage: build
  script: ['echo x >../outside']
  artifacts: {paths: [../outside]}
next: {script: [ls -A ..]}
)"};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(output_of("none", done.output), "gone: no matching files"));
  CHECK_FALSE(has(output_of("next", done.output), "Downloading"));
}

TEST_CASE("caches go by key, policy, fallback and how the job went, and stay") {
  // Root's instances have a /tmp of their own.
  auto state = geteuid() == 0
                 ? fmt::format("/var/lib/muster-try-test-{}", getpid())
                 : std::string{"state"};
  try_world x{R"(
stages: [a, b, c, d]
fill:
  stage: a
  script: ['cat lib/x || echo nothing yet', 'mkdir -p lib', 'echo first >lib/x']
  cache: {key: "k-$CI_COMMIT_REF_SLUG", paths: [lib]}
failed:
  stage: a
  allow_failure: true
  script: ['mkdir -p log', 'echo kept >log/x', 'exit 1']
  cache:
    - {key: on-failure, paths: [log], when: on_failure}
    - {key: on-success, paths: [log]}
files:
  stage: a
  script: ['mkdir -p dep', 'echo by file >dep/x']
  cache: {key: {files: [sub/file.txt], prefix: p}, paths: [dep]}
pull:
  stage: b
  script: [cat lib/x, 'echo changed >lib/x']
  cache: {key: k-main, paths: [lib], policy: pull}
after_failure:
  stage: b
  script: [cat log/x]
  cache: {key: on-failure, paths: [log], policy: pull}
not_kept:
  stage: b
  script: ['ls log || echo no log']
  cache: {key: on-success, paths: [log], policy: pull}
same_files:
  stage: b
  script: [cat dep/x]
  cache: {key: {files: [sub/file.txt], prefix: p}, paths: [dep], policy: pull}
push:
  stage: c
  script: ['ls lib || echo not restored', 'mkdir -p lib', 'echo second >lib/x']
  cache: {key: k-main, paths: [lib], policy: push}
fallback:
  stage: d
  script: [cat lib/x]
  cache:
    key: k-other
    fallback_keys: [k-none, k-main]
    paths: [lib]
    policy: pull
variable:
  stage: d
  variables: {CACHE_FALLBACK_KEY: k-main}
  script: [cat lib/x]
  cache: {key: k-another, paths: [lib], policy: pull}
)",
              state};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  auto line = [&](const char* job, const char* text) {
    CAPTURE(job);
    CHECK(has(output_of(job, done.output), std::string{"\n"} + text + "\n"));
  };
  line("fill", "nothing yet");
  line("pull", "first");
  line("after_failure", "kept");
  line("not_kept", "no log");
  line("same_files", "by file");
  line("push", "not restored");
  line("fallback", "second");
  line("variable", "second");
  CHECK(has(output_of("pull", done.output), "Not uploading cache k-main due"));
  CHECK(
    has(output_of("push", done.output), "Not downloading cache k-main due"));
  CHECK(x.leftovers().empty());
  // The instance is gone, the caches are not.
  auto again = x.run({"fill"});
  CAPTURE(again.output);
  CHECK_EQ(again.status, 0);
  CHECK(has(output_of("fill", again.output), "\nsecond\n"));
}
