#include "tests/e2e/docker/docker_world.hpp"

#include <csignal>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

/// Collects until the script has printed this.
void wait_for(wire& job, const std::string& text, job_log& into) {
  auto log = collect(job, [&](const job_log& x) { return has(x.out, text); });
  REQUIRE(has(log.out, text));
  into.out += log.out;
}

/// Waits for the end of a job of which some was collected.
job_log rest_of(wire& job, const job_log& before) {
  auto log = collect(job);
  log.out = before.out + log.out;
  return log;
}

} // namespace

TEST_CASE("an image without a shell is explained"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_bare_image("muster-bare:latest");
  auto plan = docker_plan(engine, "fault-a", {build_stage("echo no")});
  plan.containers->build.image = image_of("muster-bare:latest");
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::misconfigured);
  CHECK(has(done.log.end->text, "muster-bare:latest has not the shell"));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("an image that is not there ends the job by its policy"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(engine, "fault-b", {build_stage("echo no")});
  plan.containers->build.image = image_of("muster-missing:latest");
  plan.containers->build.image.policies = {pull_policy::never};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::misconfigured);
  CHECK(
    has(done.log.end->text, "muster-missing:latest is not on the instance"));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("settings that the Engine refuses end the job as they should"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(engine, "fault-c", {build_stage("echo no")});
  auto body = docker::json::parse(plan.containers->build.body.reveal());
  body["HostConfig"]["Memory"] = 1'000;
  plan.containers->build.body = secret{body.dump()};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::misconfigured);
  CHECK(has(done.log.end->text, "emory limit"));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("without an Engine the job is broken, and nothing is left to clean"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(engine, "fault-d", {build_stage("echo no")});
  plan.containers->host = "unix:///nonexistent/docker.sock";
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::broken);
  CHECK(has(done.log.end->text, "/nonexistent/docker.sock"));
  CHECK(has(done.log.end->text, "is a Docker Engine installed"));
  CHECK(done.cleaned.clean);
}

TEST_CASE("a cancelled script is told to end, and after_script runs in a new "
          "container with the same volumes"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto plan = docker_plan(
    engine, "fault-e",
    {build_stage("touch /mark; echo data > /builds/file\n"
                 "sh -c 'trap \"echo got TERM; exit 1\" TERM; echo up; "
                 "while :; do sleep 0.1; done'"),
     after_stage("echo after $CI_JOB_STATUS; cat /builds/file; "
                 "test -e /mark || echo new container"),
     cleanup_stage("echo cleaned")});
  auto job = machine.run(plan);
  job_log before;
  wait_for(job, "up\n", before);
  machine.connect().send(
    frames::cancel{job_key("fault-e"), cancel_mode::graceful});
  auto log = rest_of(job, before);
  check_end(log, plan_outcome::canceled);
  CHECK(has(log.out, "got TERM\n"));
  CHECK(has(log.out, "after canceled\ndata\nnew container\n"));
  CHECK(has(log.out, "cleaned\n"));
  CHECK(machine.clean(job_key("fault-e")).clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("a script that will not end in time is ended with its container"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto deaf = build_stage("trap '' TERM; echo up; while :; do sleep 0.1; done");
  deaf.timeout_ms = 1'000;
  auto plan = docker_plan(
    engine, "fault-f",
    {deaf, after_stage("echo after $CI_JOB_STATUS"), cleanup_stage("true")});
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::timed_out);
  CHECK(has(done.log.out, "after timedout\n"));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("a job that is aborted leaves nothing, in whichever stage it is"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  for (bool in_helper : {true, false}) {
    CAPTURE(in_helper);
    host machine;
    auto slow = std::string{"echo up; sleep 600"};
    auto plan = docker_plan(engine, "fault-g",
                            {in_helper ? helper_stage(slow) : build_stage(slow),
                             cleanup_stage("touch /builds/cleaned")});
    auto job = machine.run(plan);
    job_log before;
    wait_for(job, "up\n", before);
    machine.connect().send(
      frames::cancel{job_key("fault-g"), cancel_mode::now});
    auto log = rest_of(job, before);
    check_end(log, plan_outcome::canceled);
    CHECK_EQ(log.end->text, "canceled");
    CHECK(machine.clean(job_key("fault-g")).clean);
    CHECK(engine.containers().empty());
  }
}

TEST_CASE("a job that is cleaned while it runs is gone with its containers"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto job = machine.run(
    docker_plan(engine, "fault-h", {build_stage("echo up; sleep 600")}));
  job_log before;
  wait_for(job, "up\n", before);
  CHECK(machine.clean(job_key("fault-h")).clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("a stage's process that is killed breaks the job, not the cleaning"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto job = machine.run(
    docker_plan(engine, "fault-i",
                {build_stage("echo up; sleep 600"), cleanup_stage("true")}));
  job_log before;
  wait_for(job, "up\n", before);
  auto supervisors = machine.supervisors();
  REQUIRE_EQ(supervisors.size(), 1);
  auto stages = children_of(supervisors.front());
  REQUIRE_EQ(stages.size(), 1);
  ::kill(stages.front(), SIGKILL);
  auto log = rest_of(job, before);
  check_end(log, plan_outcome::broken);
  CHECK(has(log.end->text, "ended with 137"));
  CHECK(machine.clean(job_key("fault-i")).clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("containers that somebody removes are made anew for the next stage"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto plan
    = docker_plan(engine, "fault-j",
                  {step("echo waiting; until [ -e gone ]; do sleep 0.1; done"),
                   helper_stage("echo helper again", stage_phase::step),
                   build_stage("echo build again")});
  auto job = machine.run(plan);
  job_log before;
  wait_for(job, "waiting\n", before);
  for (const auto& id : engine.containers())
    CHECK(engine.api()
            .ask({"DELETE", "/containers/" + id + "?force=1"})
            .has_value());
  run_command({"/bin/touch", machine.home() + "/gone"});
  auto log = rest_of(job, before);
  check_end(log, plan_outcome::success);
  CHECK(has(log.out, "helper again\nbuild again\n"));
  CHECK(machine.clean(job_key("fault-j")).clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("a script's container that ends before its script is made anew"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto plan = docker_plan(
    engine, "fault-m",
    {step("echo waiting; until [ -e gone ]; do sleep 0.1; done"),
     helper_stage("echo sources"), build_stage("echo script; exit 5")});
  auto job = machine.run(plan);
  job_log before;
  wait_for(job, "waiting\n", before);
  CHECK(engine.api()
          .ask({"POST", "/containers/fault-m-build/kill?signal=KILL"})
          .has_value());
  run_command({"/bin/touch", machine.home() + "/gone"});
  auto log = rest_of(job, before);
  check_end(log, plan_outcome::failed);
  CHECK_EQ(log.end->exit_code, 5);
  CHECK(has(log.out, "sources\nscript\n"));
  CHECK(machine.clean(job_key("fault-m")).clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("a script that takes more memory than it may is explained"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(
    engine, "fault-k",
    {build_stage("x=$(head -c 200000000 /dev/zero | tr '\\0' x)")});
  auto body = docker::json::parse(plan.containers->build.body.reveal());
  body["HostConfig"]["Memory"] = 32 << 20;
  body["HostConfig"]["MemorySwap"] = 32 << 20;
  plan.containers->build.body = secret{body.dump()};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::failed);
  CHECK_EQ(done.log.end->exit_code, 137);
  CHECK(has(done.log.out, "reached its memory limit"));
}

TEST_CASE("an Engine that goes away breaks the job; once it is back nothing "
          "of the job is"
          * doctest::skip(no_engine())) {
  engine_host engine;
  engine.import_image(test_image);
  host machine;
  auto job = machine.run(
    docker_plan(engine, "fault-l", {build_stage("echo up; sleep 600")}));
  job_log before;
  wait_for(job, "up\n", before);
  engine.stop();
  auto log = rest_of(job, before);
  check_end(log, plan_outcome::broken);
  INFO(log.end->text);
  CHECK(has(log.end->text, "the Docker Engine went away while the script ran"));
  engine.start();
  CHECK(machine.clean(job_key("fault-l")).clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("what a killed supervisor's job has made is found and removed, and "
          "that is proof"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto networks = engine.networks();
  auto volumes = engine.volumes();
  auto plan
    = docker_plan(engine, "fault-m", {build_stage("echo up; sleep 600")});
  plan.containers->volumes
    = {{"fault-m-builds", "/builds", R"({"Name":"fault-m-builds"})", true}};
  plan.containers->network
    = network_request{"fault-m-net", R"({"Name":"fault-m-net"})"};
  auto job = machine.run(plan);
  job_log before;
  wait_for(job, "up\n", before);
  CHECK_GE(engine.containers().size(), 2);
  CHECK_GT(engine.networks().size(), networks.size());
  auto supervisors = machine.supervisors();
  REQUIRE_EQ(supervisors.size(), 1);
  ::kill(supervisors.front(), SIGKILL);
  auto cleaned = machine.clean(job_key("fault-m"));
  CHECK_EQ(cleaned.text, "");
  CHECK(cleaned.clean);
  CHECK(engine.containers().empty());
  CHECK_EQ(engine.networks().size(), networks.size());
  CHECK_EQ(engine.volumes().size(), volumes.size());
  // The key is forgotten: it may come again.
  auto again
    = machine.run(docker_plan(engine, "fault-m", {step("echo again")}));
  check_end(collect(again), plan_outcome::success);
  CHECK(machine.clean(job_key("fault-m")).clean);
}
