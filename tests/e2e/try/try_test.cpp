#include "tests/e2e/try/try_world.hpp"

#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>

using namespace muster::test;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a pipeline runs from the commit at hand, and nothing is left") {
  try_world x{R"(
stages: [build, test]
variables: {GREETING: hello}
.base: {before_script: ['echo "$GREETING from $CI_JOB_NAME"']}
one: {extends: .base, stage: build, script: [cat sub/file.txt]}
two:
  extends: .base
  script: ['echo "index $CI_NODE_INDEX of $CI_NODE_TOTAL, $WHO"']
  parallel: 2
last: {stage: .post, script: ['git rev-parse HEAD', 'echo "on $CI_COMMIT_BRANCH"']}
)"};
  auto done = x.run({"--variable", "WHO=given=it"});
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "one     | hello from one\n"));
  CHECK(has(done.output, "one     | committed\n"));
  CHECK(has(done.output, "two 1/2 | index 1 of 2, given=it\n"));
  CHECK(has(done.output, "two 2/2 | index 2 of 2, given=it\n"));
  CHECK(has(done.output, "last    | on main\n"));
  CHECK(has(done.output, "\njob      instance"));
  CHECK_EQ(count_of("  success\n", done.output), 4);
  CHECK_FALSE(has(done.output, "\x1b["));
  CHECK(x.leftovers().empty());
  // A manager that serves GitLab from there would refuse another one.
  CHECK_EQ(std::filesystem::status(x.state_dir()).permissions(),
           std::filesystem::perms::owner_all);
}

TEST_CASE("a failure stops later stages, unless it is allowed") {
  try_world x{R"(
stages: [build, test, deploy]
may: {stage: build, script: [exit 4], allow_failure: {exit_codes: [4]}}
breaks: {script: [exit 3]}
rescue: {stage: deploy, script: [echo rescued], when: on_failure}
ship: {stage: deploy, script: [echo shipped]}
always: {stage: deploy, script: [echo always], when: always}
by_hand: {stage: build, script: [echo by hand], when: manual}
)"};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 1);
  CHECK(has(done.output, "failed, exit code 4 (allowed)\n"));
  CHECK(has(done.output, "failed, exit code 3\n"));
  CHECK(has(done.output, "| rescued\n"));
  CHECK(has(done.output, "| always\n"));
  CHECK_FALSE(has(done.output, "| shipped\n"));
  CHECK(has(done.output, "  skipped\n"));
  CHECK(has(done.output, "  manual\n"));
  auto some = x.run({"may", "by_hand"});
  CAPTURE(some.output);
  CHECK_EQ(some.status, 0);
  CHECK(has(some.output, "| by hand\n"));
  CHECK_FALSE(has(some.output, "breaks"));
}

TEST_CASE("a job that is to be retried runs again, and another one's success "
          "counts") {
  try_world x{R"(
flaky: {script: ['test "$CI_JOB_ID" -gt 1'], retry: 1}
)"};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "failed, exit code 1 (run again)\n"));
  CHECK_EQ(count_of("  success\n", done.output), 1);
}

TEST_CASE("a wrong file is shown with a caret, and nothing is started") {
  try_world x{"job:\n  script: x\n  tiemout: 1m\n  image: alpine\n"};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, ".gitlab-ci.yml:3:3: error: \"tiemout\" in job job is "
                         "no keyword\n"));
  CHECK(has(done.output, "  tiemout: 1m\n"));
  CHECK(has(done.output, "did you mean \"timeout\"?"));
  CHECK(has(done.output, ".gitlab-ci.yml:4:3: warning: image has no effect"));
  CHECK(x.leftovers().empty());
  x.write("other.yml", "job: {script: x, release: {tag_name: v1}}\n"
                       "fine: {script: 'true'}\n");
  done = x.run({"-f", "other.yml"});
  CAPTURE(done.output);
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "other.yml:1:18: error: \"release\" in job job is not "
                         "supported here"));
  CHECK_EQ(x.run({"-f", "other.yml", "fine"}).status, 0);
  done = x.run({"-f", "other.yml", "fien"});
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "did you mean \"fine\"?"));
  done = x.run({"-f", "gone.yml"});
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "there is no gone.yml that could be read"));
  done = x.run({"--executor", "docker"});
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "write instance or docker-autoscaler"));
}

TEST_CASE("in containers it says what is missing, and starts nothing") {
  try_world x{"job: {script: 'true'}\n"};
  auto done = x.run({"--executor", "docker-autoscaler"});
  CAPTURE(done.output);
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "job job names no image: write image: into it"));
  done = x.run({"--image", "alpine"});
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "write --executor docker-autoscaler, too"));
  setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
  done = x.run({"--executor", "docker-autoscaler", "--image", "alpine"});
  CHECK_EQ(done.status, 1);
  CHECK(has(done.output, "unix:///nonexistent/docker.sock cannot be reached"));
  CHECK(has(done.output, "apt-get install docker.io"));
  setenv("DOCKER_HOST", "ssh://elsewhere", 1);
  done = x.run({"--executor", "docker-autoscaler", "--image", "alpine"});
  CHECK_EQ(done.status, 1);
  CHECK(has(done.output, "ssh://elsewhere"));
  CHECK(has(done.output, "a Docker Engine of this machine"));
  unsetenv("DOCKER_HOST");
  CHECK(x.leftovers().empty());
}

TEST_CASE("the list shows what would run, and runs nothing") {
  try_world x{R"(
stages: [build, test]
later: {script: x, needs: [first], allow_failure: true}
first: {stage: build, script: x, when: always}
out: {script: x, rules: [{if: $GONE}]}
)"};
  auto done = x.run({"--list"});
  CHECK_EQ(done.status, 0);
  CHECK_EQ(done.output, "stage  job    when\n"
                        "build  first  always\n"
                        "test   later  on_success  needs first; may fail\n"
                        "kept out by its rules: out\n");
  CHECK(has(x.run({"--list", "--variable", "GONE=1"}).output, "test   out"));
}

TEST_CASE("it works from a subfolder, with a detached HEAD, and says what is "
          "not committed") {
  try_world x{"job: {script: [cat sub/file.txt, 'echo \"ref "
              "$CI_COMMIT_REF_NAME\"']}\n"};
  x.write("sub/file.txt", "changed\n");
  auto done = x.run({}, "sub");
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "job | committed\n"));
  CHECK_EQ(count_of("not committed are not in it", done.output), 1);
  x.git("checkout -q -f HEAD");
  x.git("checkout -q --detach");
  x.git("branch -q -D main");
  done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "job | ref HEAD\n"));
  CHECK_FALSE(has(done.output, "not committed"));
}

TEST_CASE("without a repository or a commit it says what is missing") {
  try_world x{"job: {script: x}\n"};
  auto done = x.run({}, "../..");
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "is in no git working tree"));
  x.git("checkout -q --orphan empty");
  done = x.run();
  CHECK_EQ(done.status, 2);
  CHECK(has(done.output, "has no commit yet"));
}

TEST_CASE("Ctrl-C cancels, runs after_script, and leaves nothing behind") {
  try_world x{R"(
job:
  script: ['echo "begun"', 'while :; do echo tick; sleep 0.2; done # muster-try-mark']
  after_script: ['echo "after, $CI_JOB_STATUS"']
next: {stage: deploy, script: [echo next]}
)"};
  auto process = x.start();
  REQUIRE(process->shows("job  | tick"));
  process->signal(SIGINT);
  auto status = process->wait_exit();
  auto shown = process->shown();
  CAPTURE(shown);
  REQUIRE(status.has_value());
  CHECK_EQ(*status, 130);
  CHECK(has(shown, "muster try: cancelling"));
  CHECK(has(shown, "job  | after, canceled\n"));
  CHECK_EQ(count_of("  canceled\n", shown), 2);
  CHECK_FALSE(has(shown, "| next\n"));
  CHECK(x.leftovers().empty());
  CHECK(processes_with("muster-try-mark").empty());
}

TEST_CASE("what a killed try leaves is removed, by itself or by the next one") {
  try_world x{R"(
job: {script: ['echo "begun"', 'sleep 1234567']}
)"};
  auto process = x.start();
  REQUIRE(process->shows("job | begun"));
  CHECK_FALSE(processes_with("1234567").empty());
  process->signal(SIGKILL);
  process->wait_exit();
  CHECK(eventually([] { return processes_with("1234567").empty(); }));
  CHECK_EQ(x.leftovers().size(), 1);
  x.write("other.yml", "job: {script: 'true'}\n");
  CHECK_EQ(x.run({"-f", "other.yml"}).status, 0);
  CHECK(x.leftovers().empty());
}

TEST_CASE("what the manager complains of is shown while jobs run, once") {
  // The connection to the helper breaks with the helper; the job's supervisor,
  // the parent of its shell, stays.
  try_world x{R"yml(
job:
  variables: {GIT_STRATEGY: none}
  script:
    - |
      for p in /proc/[0-9]*; do
        n=${p#/proc/}
        if [ "$(readlink "$p/exe")" = "$MUSTER_HELPER" ] && [ "$n" != "$PPID" ]
        then kill -9 "$n"; fi
      done
    - sleep 3
    - echo went on
)yml"};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "job | went on\n"));
  CHECK_EQ(count_of("muster try: the manager: warning: connection to the "
                    "instance failed (instance local-",
                    done.output),
           1);
}

TEST_CASE(
  "a state folder may be deeper than the path of a socket may be long") {
  try_world x{"job: {script: [cat sub/file.txt]}\n",
              "state/" + std::string(120, 'd') + "/deep"};
  auto done = x.run();
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "job | committed\n"));
  CHECK_FALSE(has(done.output, "the manager:"));
  CHECK(x.leftovers().empty());
}
