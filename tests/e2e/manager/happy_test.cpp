#include "tests/e2e/manager/world.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// One manager and one instance for all tests of this file.
world& house() {
  static world one;
  return one;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A script that goes on for a minute whatever it is told, with a process whose
/// argument is `mark` so that it can be found.
std::string stubborn(const std::string& mark) {
  return fmt::format("trap '' TERM INT HUP; (trap '' TERM INT HUP; "
                     "while :; do sleep {}; done) & "
                     "echo begun; for i in $(seq 300); do echo still here; "
                     "sleep 0.2; done",
                     mark);
}

} // namespace

TEST_CASE("a job's output, sections and success reach GitLab") {
  auto& x = house();
  auto id = x.enqueue({{"before_script", "echo before it"},
                       {"script", {"echo hello", "echo err >&2"}}});
  auto job = x.ended(id);
  CHECK_EQ(job.state, job_state::success);
  CHECK_EQ(job.reported, "success");
  CHECK_EQ(job.exit_code, 0);
  CHECK_EQ(job.failure_reason, "");
  auto log = x.log(id);
  CAPTURE(log);
  for (const auto* part :
       {"Running with muster ", "on e2e ",
        "Preparing the \"instance\" executor", "Dialing instance local-",
        " connected", "Running on local-", "\nbefore it", "\nhello", "\nerr",
        "$ echo hello", "Job succeeded"})
    CHECK_MESSAGE(contains(log, part), part);
  for (const auto* name :
       {"prepare_executor", "prepare_script", "get_sources", "step_script"}) {
    auto start = log.find(std::string{":"} + name + "\r");
    CHECK_MESSAGE(start != std::string::npos, name);
    CHECK_EQ(count_of(std::string{":"} + name + "\r", log), 2);
  }
  CHECK_EQ(count_of("section_start:", log), count_of("section_end:", log));
  CHECK(
    x.manager->says("Job succeeded", {{"job", id}, {"runner_name", "e2e"}}));
  x.check_rules();
}

TEST_CASE("a failing script's exit code reaches GitLab and the log") {
  auto& x = house();
  auto id = x.enqueue_script("exit 3");
  auto job = x.ended(id);
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.exit_code, 3);
  CHECK_EQ(job.failure_reason, "script_failure");
  CHECK(contains(x.log(id), "ERROR: Job failed: run exit (exit code: "
                            "3): Process exited with status 3"));
  CHECK(x.manager->says("Job failed: ", {{"job", id}, {"exit_code", 3}}));
  x.check_rules();
}

TEST_CASE("a masked value is in no log") {
  auto& x = house();
  const std::string value = "open-sesame-48151623";
  json job{{"script",
            {"echo \"the value is $DOOR.\"",
             "printf 'open-sesame-'; sleep 0.3; "
             "printf '48151623\\n'",
             "echo \"$DOOR\" >&2", "exit 1"}},
           {"masked", {{"DOOR", value}}},
           {"variables", {{"GIT_STRATEGY", "none"}}}};
  auto id = x.enqueue(job);
  CHECK_EQ(x.ended(id).state, job_state::failed);
  auto log = x.log(id);
  CAPTURE(log);
  CHECK(contains(log, "the value is [MASKED]."));
  CHECK_EQ(count_of("[MASKED]", log), 3);
  CHECK_FALSE(contains(x.gitlab.trace(id), value));
  CHECK(x.manager->says("Job failed", {{"job", id}}));
  CHECK_FALSE(contains(x.manager->log(), value));
  CHECK_FALSE(contains(x.manager->log(), x.gitlab.job(id)->token));
  CHECK_FALSE(contains(x.manager->log(), x.gitlab.token()));
  x.check_rules();
}

TEST_CASE("a job works in a clone of its commit, the next one in a fetch") {
  auto& x = house();
  json job{{"script",
            {"cat words.txt", "echo \"COMMITS=$(git rev-list --count HEAD)\"",
             "echo \"HEAD=$(git rev-parse HEAD)\"", "echo \"PLACE=$PWD\"",
             "test ! -e left && touch left"}},
           {"depth", 1}};
  auto first = x.enqueue(job);
  CHECK_EQ(x.ended(first).state, job_state::success);
  auto log = x.log(first);
  CAPTURE(log);
  CHECK(contains(log, "\nsecond"));
  CHECK_EQ(x.printed(first, "COMMITS"), "1");
  CHECK_EQ(x.printed(first, "HEAD"), x.gitlab.job(first)->what->commit.sha);
  CHECK(contains(x.printed(first, "PLACE"), "/demo/hello"));
  // Its slot is free again when it is clean; until then it is another one's
  // turn.
  int64_t next = 0;
  for (int i = 0;
       i < 50 && x.printed(next, "PLACE") != x.printed(first, "PLACE"); ++i) {
    next = x.enqueue(job);
    CHECK_EQ(x.ended(next).state, job_state::success);
  }
  CHECK(contains(x.log(next), "Removing left"));
  x.check_rules();
}

TEST_CASE("a file variable is a file for its job and gone after it") {
  auto& x = house();
  auto id = x.enqueue(
    {{"script",
      {"echo \"FILE=$CONFIG\"", "echo \"TEXT=$(cat \"$CONFIG\")\"",
       "echo \"MODE=$(stat -c %a \"$CONFIG\")\""}},
     {"variables", {{"CONFIG", {{"value", "a line of it"}, {"file", true}}}}}});
  CHECK_EQ(x.ended(id).state, job_state::success);
  CAPTURE(x.log(id));
  CHECK_EQ(x.printed(id, "TEXT"), "a line of it");
  auto file = x.printed(id, "FILE");
  CHECK(contains(file, "/CONFIG"));
  auto next = x.enqueue_script(fmt::format("test ! -e '{}'", file));
  CHECK_EQ(x.ended(next).state, job_state::success);
  x.check_rules();
}

TEST_CASE("what a job makes has the modes of its login") {
  auto& x = house();
  auto id = x.enqueue(
    {{"script",
      {"echo \"UMASK=$(umask)\"", "touch new; echo \"FILE=$(stat -c %a new)\"",
       "mkdir sub; echo \"FOLDER=$(stat -c %a sub)\""}}});
  CHECK_EQ(x.ended(id).state, job_state::success);
  CAPTURE(x.log(id));
  CHECK_EQ(x.printed(id, "UMASK"), "0022");
  CHECK_EQ(x.printed(id, "FILE"), "644");
  CHECK_EQ(x.printed(id, "FOLDER"), "755");
}

TEST_CASE("after_script runs after a failure and knows of it") {
  auto& x = house();
  auto id
    = x.enqueue({{"script", "exit 7"},
                 {"after_script", {"echo \"END=$CI_JOB_STATUS\"", "exit 9"}}});
  auto job = x.ended(id);
  CHECK_EQ(job.exit_code, 7);
  CAPTURE(x.log(id));
  CHECK_EQ(x.printed(id, "END"), "failed");
  CHECK(contains(x.log(id),
                 "after_script failed, but job will continue unaffected"));
  auto good = x.enqueue(
    {{"script", "true"}, {"after_script", "echo \"END=$CI_JOB_STATUS\""}});
  CHECK_EQ(x.ended(good).state, job_state::success);
  CHECK_EQ(x.printed(good, "END"), "success");
  x.check_rules();
}

TEST_CASE("a job that takes too long is ended with all its processes") {
  auto& x = house();
  auto id = x.enqueue({{"script", stubborn("61.0731")}, {"timeout", 2}});
  auto job = x.ended(id);
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "job_execution_timeout");
  CAPTURE(x.log(id));
  CHECK(contains(x.log(id), "ERROR: Job failed: execution took longer "
                            "than 2s seconds"));
  CHECK(eventually([] { return processes_with("61.0731").empty(); }));
  x.check_rules();
}

TEST_CASE("a script's own time-out leaves time for after_script") {
  auto& x = house();
  auto id = x.enqueue({{"script", "echo begun; sleep 61.0734"},
                       {"after_script", "echo \"END=$CI_JOB_STATUS\""},
                       {"variables", {{"RUNNER_SCRIPT_TIMEOUT", "1s"}}}});
  auto job = x.ended(id);
  CAPTURE(x.log(id));
  CHECK_EQ(job.failure_reason, "job_execution_timeout");
  CHECK_EQ(x.printed(id, "END"), "timedout");
  CHECK(contains(x.log(id), "ERROR: Job failed: script timeout: context "
                            "deadline exceeded"));
  x.check_rules();
}

TEST_CASE("a job that is cancelled runs its after_script and leaves nothing") {
  auto& x = house();
  auto id = x.enqueue(
    {{"script",
      "(trap '' TERM; exec > /dev/null 2>&1; while :; do sleep 61.0732; done) "
      "& "
      "echo begun; for i in $(seq 300); do echo still here; sleep 0.2; done"},
     {"after_script", "echo \"END=$CI_JOB_STATUS\""}});
  REQUIRE(x.shows(id, "\nbegun"));
  CHECK(eventually([] { return !processes_with("61.0732").empty(); }));
  REQUIRE(x.gitlab.cancel(id, true));
  auto job = x.ended(id);
  CAPTURE(x.log(id));
  CHECK_EQ(job.state, job_state::canceled);
  CHECK_EQ(job.reported, "failed");
  CHECK_EQ(x.printed(id, "END"), "canceled");
  CHECK(contains(x.log(id), "ERROR: Job failed: canceled"));
  CHECK(eventually([] { return processes_with("61.0732").empty(); }));
  CHECK(x.serves_a_job());
  x.check_rules();
}

TEST_CASE("a job that is aborted is ended at once and leaves nothing") {
  auto& x = house();
  auto id = x.enqueue({{"script", stubborn("61.0733")},
                       {"after_script", "touch /tmp/after-the-abort"}});
  REQUIRE(x.shows(id, "\nbegun"));
  REQUIRE(x.gitlab.cancel(id, false));
  CHECK(x.manager->says("Job failed: canceled", {{"job", id}}));
  CHECK(eventually([] { return processes_with("61.0733").empty(); }));
  auto next = x.enqueue_script("test ! -e /tmp/after-the-abort");
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK_EQ(x.gitlab.job(id)->state, job_state::canceled);
  x.check_rules();
}

TEST_CASE("two jobs at a time share an instance and no folder") {
  auto& x = house();
  auto script = [](const char* mine, const char* other) {
    return fmt::format("echo \"PLACE=$PWD\"; touch /tmp/{0}; "
                       "for i in $(seq 300); do test -e /tmp/{1} && exit 0; "
                       "sleep 0.1; done; exit 1",
                       mine, other);
  };
  auto one = x.enqueue({{"script", script("one", "other")}});
  auto other = x.enqueue({{"script", script("other", "one")}});
  CHECK_EQ(x.ended(one).state, job_state::success);
  CHECK_EQ(x.ended(other).state, job_state::success);
  CHECK_EQ(x.instance_of(one), x.instance_of(other));
  CHECK_NE(x.printed(one, "PLACE"), x.printed(other, "PLACE"));
  std::vector<int> slots;
  for (const auto& line : x.manager->lines())
    if (line.value("msg", "") == "Dialing instance"
        && (line["job"] == one || line["job"] == other))
      slots.push_back(line.value("slot", -1));
  REQUIRE_EQ(slots.size(), 2);
  CHECK_NE(slots[0], slots[1]);
  x.check_rules();
}
