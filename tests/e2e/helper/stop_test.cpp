#include "tests/e2e/helper/host.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace muster;
using namespace muster::test;

namespace {

/// A step that ignores SIGTERM and has a process outside its session.
const char* const stubborn
  = "trap '' TERM\n"
    "setsid sh -c 'trap \"\" TERM; sleep 600' >/dev/null 2>&1 &\n"
    "echo begun\n"
    "while :; do sleep 600; done\n";

job_plan three_stages(const std::string& script) {
  auto after = stage_of(stage_phase::after, "echo after $CI_JOB_STATUS",
                        stage_condition::after_steps);
  after.status_variable = true;
  return plan_of("k",
                 {step(script), after,
                  stage_of(stage_phase::cleanup, "echo cleanup; touch cleaned",
                           stage_condition::always)});
}

bool has_begun(const job_log& log) {
  return log.out.find("begun\n") != std::string::npos;
}

bool was_cleaned_up(const host& machine) {
  return ::access((machine.home() + "/cleaned").c_str(), F_OK) == 0;
}

} // namespace

TEST_CASE("a graceful cancel ends the step, after_script and cleaning up run") {
  host machine;
  auto job = machine.run(three_stages("echo begun; sleep 600"));
  collect(job, has_begun);
  job.send(frames::cancel{"k", cancel_mode::graceful});
  auto log = collect(job);
  CHECK_EQ(log.out, "after canceled\ncleanup\n");
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::canceled);
  CHECK_EQ(log.stages().front().outcome, plan_outcome::canceled);
  CHECK(processes_of("k").empty());
}

TEST_CASE("a cancel that comes together with the plan is not lost") {
  host machine;
  auto job = wire{machine.socket(), false};
  job.send_bytes(
    frames::encode(frames::hello{})
    + frames::encode(frames::run_of(three_stages("echo begun; sleep 600")))
    + frames::encode(frames::cancel{"k", cancel_mode::now}));
  job.expect<frames::welcome>();
  job.expect<frames::accepted>();
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::canceled);
  CHECK(machine.clean("k").clean);
}

TEST_CASE("a graceful cancel lets a script end by itself") {
  host machine;
  auto job = machine.run(
    three_stages("trap 'echo last words; exit 7' TERM; echo begun\n"
                 "while :; do sleep 0.05; done"));
  collect(job, has_begun);
  job.send(frames::cancel{"k", cancel_mode::graceful});
  auto log = collect(job);
  CHECK_EQ(log.out, "last words\nafter canceled\ncleanup\n");
  CHECK_EQ(log.stages().front().exit_code, 7);
}

TEST_CASE("a graceful cancel kills after 10 s what ignores SIGTERM") {
  host machine;
  auto job = machine.run(three_stages(stubborn));
  auto before = collect(job, has_begun);
  job.send(frames::cancel{"k", cancel_mode::graceful});
  auto log = collect(job);
  CHECK_EQ(log.out, "after canceled\ncleanup\n");
  CHECK_EQ(log.stages().front().exit_code, 137);
  CHECK_GE(log.stages().front().time_us, 10'000'000);
  CHECK(processes_of("k").empty());
}

TEST_CASE("a cancel now kills after 2 s and only cleans up, quietly") {
  host machine;
  auto job = machine.run(three_stages(stubborn));
  collect(job, has_begun);
  job.send(frames::cancel{"k", cancel_mode::now});
  auto log = collect(job);
  CHECK_EQ(log.out, "");
  CHECK_EQ(log.stages().size(), 1);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::canceled);
  CHECK(was_cleaned_up(machine));
  CHECK(processes_of("k").empty());
}

TEST_CASE("a job can be canceled from another connection, an unknown one is "
          "refused") {
  host machine;
  auto job = machine.run(three_stages("echo begun; sleep 600"));
  collect(job, has_begun);
  auto control = machine.connect();
  control.send(frames::cancel{"other", cancel_mode::now});
  CHECK_EQ(control.expect<frames::refused>().code, helper_errc::unknown_key);
  control.send(frames::cancel{"k", cancel_mode::now});
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::canceled);
}

TEST_CASE("daemons, and processes in namespaces of their own, are ended too") {
  host machine;
  auto number = "600." + std::to_string(::getpid());
  auto root = ::geteuid() == 0;
  auto job = machine.run(three_stages(
    // A daemon of the old kind: two forks, a session, nothing of the terminal.
    "(setsid sh -c '(trap \"\" TERM HUP; exec sleep " + number
    + ") >/dev/null 2>&1 </dev/null &' &)\n"
      "nohup sleep "
    + number
    + " >/dev/null 2>&1 &\n"
      "env -i sleep "
    + number + " >/dev/null 2>&1 &\n"
    + (root ? "unshare --pid --fork --mount-proc sh -c 'trap \"\" TERM; sleep "
                + number + "; true' >/dev/null 2>&1 &\n"
            : std::string{})
    + "echo begun; wait"));
  collect(job, has_begun);
  auto found = [&number] {
    return run_command({"/usr/bin/pgrep", "-f", "sleep " + number}).out;
  };
  REQUIRE(eventually([&] { return !found().empty(); }));
  SUBCASE("cancelled") {
    job.send(frames::cancel{"k", cancel_mode::now});
    auto log = collect(job);
    REQUIRE(log.end.has_value());
    CHECK_EQ(log.end->text, "canceled"); // and nothing that was left
  }
  SUBCASE("cleaned") {
    CHECK(machine.clean("k").clean);
  }
  CHECK_EQ(found(), "");
}

TEST_CASE("a stopped process is ended too") {
  host machine;
  auto job = machine.run(three_stages("echo begun; kill -STOP $$"));
  collect(job, has_begun);
  job.send(frames::cancel{"k", cancel_mode::now});
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::canceled);
}

TEST_CASE("processes that fork without end do not outlive a cancel") {
  host machine;
  auto job = machine.run(three_stages(
    "trap '' TERM\n"
    "chain() { sleep 0.01; (trap '' TERM; chain) >/dev/null 2>&1 & exit; }\n"
    "(chain) & (chain) & (chain) &\necho begun; sleep 600"));
  collect(job, has_begun);
  job.send(frames::cancel{"k", cancel_mode::now});
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->text, "canceled");
  CHECK(processes_of("k").empty());
}

TEST_CASE("a job's time-out ends everything but cleaning up") {
  host machine;
  auto plan = three_stages("echo begun; sleep 600");
  plan.timeout_ms = 300;
  auto job = machine.run(plan);
  auto log = collect(job);
  CHECK_EQ(log.out, "begun\n");
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::timed_out);
  CHECK_EQ(log.end->text, "timed out: the job's time of 0.3 s is over");
  CHECK(was_cleaned_up(machine));
}

TEST_CASE("a step's time-out leaves the job alive for after_script") {
  host machine;
  auto plan = three_stages("echo begun; sleep 600");
  plan.stages[0].timeout_ms = 300;
  auto job = machine.run(plan);
  auto log = collect(job);
  CHECK_EQ(log.out, "begun\nafter timedout\ncleanup\n");
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::timed_out);
}

TEST_CASE("an after_script that takes too long does not fail the job unless it "
          "counts") {
  host machine;
  auto plan = three_stages("echo begun");
  plan.stages[1].script = "sleep 600";
  plan.stages[1].timeout_ms = 200;
  plan.stages[1].failure_counts = false;
  auto job = machine.run(plan);
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::success);
  CHECK_EQ(log.stages()[1].outcome, plan_outcome::timed_out);
}
