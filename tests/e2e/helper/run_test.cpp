#include "tests/e2e/helper/host.hpp"

#include <doctest/doctest.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

using namespace muster;
using namespace muster::test;

TEST_CASE("a script's streams and exit code arrive as records") {
  host machine;
  auto job
    = machine.run(plan_of("k", {step("echo out; echo err >&2; exit 3")}));
  auto log = collect(job);
  CHECK_EQ(log.out, "out\n");
  CHECK_EQ(log.err, "err\n");
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::failed);
  CHECK_EQ(log.end->exit_code, 3);
  CHECK_EQ(log.end->stage, 0);
  for (size_t i = 0; i < log.records.size(); ++i)
    CHECK_EQ(record_of(log.records[i]), i);
}

TEST_CASE("a shell that a signal ends has 128 and its number as exit code") {
  host machine;
  auto job = machine.run(plan_of("k", {step("kill -KILL $$")}));
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->exit_code, 137);
}

TEST_CASE("a script runs at home, in a session of its own, without the login's "
          "connection") {
  host machine({}, {"PATH=/usr/bin:/bin", "HOME=/root", "KEPT=yes",
                    "SSH_CONNECTION=a", "SSH_CLIENT=b", "SSH_TTY=c",
                    "MUSTER_JOB_KEY=outer"});
  auto job = machine.run(plan_of(
    "the key", {step("pwd; echo \"$KEPT,$SSH_CONNECTION$SSH_CLIENT$SSH_TTY,"
                     "$MUSTER_JOB_KEY\"; ps -o sid= -p $$; echo $$")}));
  auto log = collect(job);
  auto end_of_line = log.out.find('\n', machine.home().size() + 1);
  CHECK_EQ(log.out.substr(0, end_of_line), machine.home() + "\nyes,,the key");
  auto rest = log.out.substr(end_of_line);
  CHECK_EQ(std::stoi(rest),
           std::stoi(rest.substr(rest.rfind('\n', rest.size() - 2))));
}

TEST_CASE("stages follow each other as their conditions say") {
  host machine;
  auto after = stage_of(stage_phase::after, "echo after $CI_JOB_STATUS; exit 9",
                        stage_condition::after_steps);
  after.status_variable = true;
  after.failure_counts = false;
  auto job = machine.run(
    plan_of("k", {stage_of(stage_phase::prepare, "echo prepare",
                           stage_condition::on_success),
                  step("echo one; exit 5"), step("echo two"), after,
                  stage_of(stage_phase::cleanup, "echo cleanup; exit 1",
                           stage_condition::always)}));
  auto log = collect(job);
  CHECK_EQ(log.out, "prepare\none\nafter failed\ncleanup\n");
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->stage, 1);
  CHECK_EQ(log.end->exit_code, 5);
  CHECK_EQ(log.stages().size(), 4);
}

TEST_CASE(
  "a failed preparation ends the job, and cleaning up leaves no trace") {
  host machine;
  auto job = machine.run(plan_of(
    "k", {stage_of(stage_phase::prepare, "exit 2", stage_condition::on_success),
          step("echo step"),
          stage_of(stage_phase::cleanup, "echo cleanup; touch cleaned",
                   stage_condition::always)}));
  auto log = collect(job);
  CHECK_EQ(log.out, "");
  CHECK_EQ(log.stages().size(), 1);
  CHECK_EQ(::access((machine.home() + "/cleaned").c_str(), F_OK), 0);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->exit_code, 2);
}

TEST_CASE("a stage is tried again after its preparation for that") {
  host machine;
  auto sources = stage_of(stage_phase::sources,
                          "echo try; test -e ready && exit 0; exit 1",
                          stage_condition::on_success);
  sources.attempts_max = 3;
  sources.before_retry = "echo again; touch ready";
  sources.retry_pause_ms = 10;
  auto job = machine.run(plan_of("k", {sources}));
  auto log = collect(job);
  CHECK_EQ(log.out, "try\nagain\ntry\n");
  REQUIRE_EQ(log.stages().size(), 2);
  CHECK_EQ(log.stages()[1].attempt, 2);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::success);
}

TEST_CASE("a plan without stages succeeds") {
  host machine;
  auto job = machine.run(plan_of("k", {}));
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::success);
  CHECK_EQ(log.records.size(), 1);
}

TEST_CASE("without bash a script is run by sh, a missing shell is named") {
  char name[] = "/tmp/muster-helper-path-XXXXXX";
  REQUIRE_NE(::mkdtemp(name), nullptr);
  std::string folder = name;
  REQUIRE_EQ(::symlink("/bin/dash", (folder + "/sh").c_str()), 0);
  {
    host machine({}, {"PATH=" + folder});
    auto job = machine.run(plan_of("a", {step("echo ${BASH_VERSION:-none}")}));
    CHECK_EQ(collect(job).out, "none\n");
    auto plan = plan_of("b", {step("echo"), stage_of(stage_phase::cleanup, "",
                                                     stage_condition::always)});
    plan.shell = "bash";
    auto missing = machine.run(plan);
    auto log = collect(missing);
    REQUIRE(log.end.has_value());
    CHECK_EQ(log.end->outcome, plan_outcome::broken);
    CHECK_EQ(log.end->text.find("there is no shell `bash` in PATH"), 0);
    plan.key = "c";
    plan.shell = "/no/shell";
    auto wrong = machine.run(plan);
    log = collect(wrong);
    REQUIRE(log.end.has_value());
    CHECK_EQ(log.end->outcome, plan_outcome::broken);
    CHECK_NE(log.end->text.find("/no/shell"), std::string::npos);
  }
  ::unlink((folder + "/sh").c_str());
  ::rmdir(folder.c_str());
}

TEST_CASE("with bash a script is run by bash, unless sh is asked for") {
  host machine;
  auto plan = plan_of("a", {step("echo ${BASH_VERSION:+bash}")});
  auto job = machine.run(plan);
  CHECK_EQ(collect(job).out, "bash\n");
  auto plain = plan_of("b", {step("readlink /proc/$$/exe > shell")});
  plain.shell = "sh";
  auto other = machine.run(plain);
  collect(other);
  CHECK_EQ(read_file(machine.home() + "/shell"),
           run_command({"/bin/sh", "-c", "readlink /proc/$$/exe"}).out);
}

TEST_CASE("a script of 2 MiB runs whole, one that nobody reads ends") {
  host machine;
  std::string script;
  while (script.size() < (2u << 20))
    script += ": 0123456789012345678901234567890123456789\n";
  auto job = machine.run(plan_of("a", {step(script + "echo end")}));
  CHECK_EQ(collect(job).out, "end\n");
  auto deaf = machine.run(plan_of("b", {step("exit 4\n" + script)}));
  auto log = collect(deaf);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->exit_code, 4);
}

TEST_CASE("a background process that holds the pipes delays a stage by 2 s and "
          "lives until the job's end") {
  host machine;
  auto job
    = machine.run(plan_of("k", {step("sleep 600 & echo $! > pid; echo begun"),
                                step("kill -0 $(cat pid) && echo lives")}));
  auto log = collect(job);
  CHECK_EQ(log.out, "begun\nlives\n");
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::success);
  CHECK_GE(log.stages().front().time_us, 2'000'000);
  CHECK(processes_of("k").empty());
}

TEST_CASE("a job ends with all of its processes, however they hid") {
  host machine;
  auto job = machine.run(plan_of(
    "k", {step("setsid sleep 600 >/dev/null 2>&1 </dev/null &\n"
               "(nohup sleep 600 >/dev/null 2>&1 </dev/null &)\n"
               "(setsid sh -c 'trap \"\" TERM HUP INT; sleep 600 & sleep 600'"
               " >/dev/null 2>&1 </dev/null &)\n"
               "env -i setsid sleep 600 >/dev/null 2>&1 </dev/null &\n"
               "echo begun")}));
  auto log = collect(job);
  CHECK_EQ(log.out, "begun\n");
  REQUIRE(log.end.has_value());
  auto supervisors = machine.supervisors();
  REQUIRE_EQ(supervisors.size(), 1);
  CHECK(children_of(supervisors.front()).empty());
  CHECK(processes_of("k").empty());
}

TEST_CASE("20 jobs run at once and keep their output apart") {
  host machine;
  std::vector<wire> jobs;
  for (int i = 0; i < 20; ++i)
    jobs.push_back(machine.run(
      plan_of("job-" + std::to_string(i),
              {step("for i in 1 2 3 4 5; do echo $MUSTER_JOB_KEY; done"),
               step("echo end $MUSTER_JOB_KEY")})));
  for (int i = 0; i < 20; ++i) {
    auto key = "job-" + std::to_string(i);
    std::string expected;
    for (int n = 0; n < 5; ++n)
      expected += key + "\n";
    CHECK_EQ(collect(jobs[static_cast<size_t>(i)]).out,
             expected + "end " + key + "\n");
    CHECK(machine.clean(key).clean);
  }
  CHECK(eventually([&] { return machine.supervisors().empty(); }));
}

TEST_CASE("a script finds the helper's commands by a variable") {
  host machine(
    {}, {"PATH=/usr/bin:/bin", "HOME=/root", "MUSTER_HELPER=/somewhere/else"});
  auto job = machine.run(plan_of(
    "k", {step("echo \"$MUSTER_HELPER\"; \"$MUSTER_HELPER\" --version")}));
  auto log = collect(job);
  CHECK_EQ(log.out.substr(0, log.out.find('\n')), MUSTER_HELPER);
  CHECK_NE(log.out.find("frames "), std::string::npos);
}
