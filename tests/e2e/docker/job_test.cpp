#include "tests/e2e/docker/docker_world.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

bool is_left(const engine_host& at, const std::string& key) {
  auto volumes = at.volumes();
  return !at.containers().empty()
         || std::count(volumes.begin(), volumes.end(), key + "-builds") > 0;
}

} // namespace

TEST_CASE("a job's stages run in its containers, on volumes they share"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(
    engine, "job-a",
    {helper_stage("echo from $(hostname); echo data > /builds/file; "
                  "stat -c %a /builds"),
     build_stage("cat /builds/file; echo $GREETING; echo wrong >&2; "
                 "touch /builds/own"),
     cleanup_stage("echo cleaned; ls /builds")});
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "Using Docker executor with image muster-test:latest "
                          "..."));
  CHECK(has(done.log.out, "Using docker image sha256:"));
  CHECK(has(done.log.out, "from runner-test\n777\n"));
  CHECK(has(done.log.out, "data\nhello\n"));
  CHECK(has(done.log.out, "cleaned\nfile\nown\n"));
  CHECK_EQ(done.log.err, "wrong\n");
  CHECK(done.cleaned.clean);
  CHECK_EQ(done.cleaned.text, "");
  CHECK_FALSE(is_left(engine, "job-a"));
}

TEST_CASE("a script's exit code is its container's, and what follows runs in "
          "the same container"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan
    = docker_plan(engine, "job-b",
                  {build_stage("hostname > /mine; echo here > /kept; exit 42"),
                   after_stage("echo after $CI_JOB_STATUS $(cat /kept)")});
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::failed);
  CHECK_EQ(done.log.end->exit_code, 42);
  CHECK(has(done.log.out, "after failed here\n"));
  CHECK(done.cleaned.clean);
}

TEST_CASE("a simple job costs no more calls and starts than it should"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan
    = docker_plan(engine, "job-c",
                  {helper_stage("echo prepare", stage_phase::prepare),
                   helper_stage("echo sources"), build_stage("echo script"),
                   cleanup_stage("echo cleanup")});
  plan.containers->volumes[0].temporary = false;
  engine.calls();
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  for (const auto& x : done.log.records)
    if (const auto* out = std::get_if<frames::output>(&x);
        out != nullptr && has(out->bytes, "script\n"))
      MESSAGE("the script's first line came after ", out->time_us / 1'000,
              " ms");
  auto calls = engine.calls();
  std::string all;
  size_t starts = 0;
  for (const auto& call : calls) {
    all += call + "\n";
    starts += has(call, "/containers/") && has(call, "/start") ? 1 : 0;
  }
  INFO(all);
  CHECK_LE(calls.size(), 24);
  CHECK_EQ(starts, 2);
}

TEST_CASE(
  "the script's container is started beside the helper's, and its shell "
  "waits, with a clock of its own"
  * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(engine, "job-w",
                          {helper_stage("sleep 2; echo sources"),
                           build_stage("echo \"clock $SECONDS\"; exit 7"),
                           after_stage("echo after")});
  engine.calls();
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::failed);
  CHECK_EQ(done.log.end->exit_code, 7);
  CHECK(has(done.log.out, "sources\nclock 0\n"));
  CHECK(has(done.log.out, "after\n"));
  size_t starts = 0; // before the first command in the helper
  for (const auto& call : engine.calls()) {
    if (has(call, "/exec/"))
      break;
    starts += has(call, "/start") ? 1 : 0;
  }
  CHECK_EQ(starts, 2);
  CHECK(engine.containers().empty());
}

TEST_CASE("what may look at the job's files begins when they are there"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  const char* look = "test -e /builds/file && echo it sees the file";
  engine.import_image("muster-looks:latest",
                      {R"(ENTRYPOINT ["sh","-c",")" + std::string{look}
                       + R"(; exec \"$@\"","sh"])"});
  auto sources = helper_stage("echo 'echo from the file' > /builds/file");
  auto by_image = docker_plan(engine, "look-a", {sources, build_stage("true")});
  by_image.containers->build.image = image_of("muster-looks:latest");
  auto done = run_to_end(by_image);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "it sees the file\n"));

  auto changed = [&](const std::string& key, const char* name,
                     const docker::json& value) {
    auto plan = docker_plan(engine, key, {sources, build_stage("echo ran")});
    auto body = docker::json::parse(plan.containers->build.body.reveal());
    if (body[name].is_array())
      body[name].push_back(value);
    else
      body[name] = value;
    plan.containers->build.body = secret{body.dump()};
    auto ended = run_to_end(plan);
    check_end(ended.log, plan_outcome::success);
    CHECK(has(ended.log.out, "ran\n"));
    return ended.log.out;
  };
  CHECK(has(changed("look-b", "Entrypoint",
                    {"sh", "-c", std::string{look} + "; exec \"$@\"", "sh"}),
            "it sees the file\n"));
  CHECK(
    has(changed("look-c", "Env", "BASH_ENV=/builds/file"), "from the file\n"));
}

TEST_CASE("a long script and a flood of output go through whole"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  std::string script;
  while (script.size() < (2u << 20))
    script += ": 0123456789012345678901234567890123456789\n";
  auto plan = docker_plan(
    engine, "job-d",
    {helper_stage(script + "echo helper"),
     build_stage(script
                 + "head -c 8000000 /dev/zero | tr '\\0' x; echo; echo end")});
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "helper\n"));
  CHECK_EQ(std::count(done.log.out.begin(), done.log.out.end(), 'x')
             > 7'999'999,
           true);
  CHECK(has(done.log.out, "\nend\n"));
}

TEST_CASE("jobs at the same time on one Engine keep apart"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  std::vector<wire> jobs;
  constexpr int count = 4;
  for (int i = 0; i < count; ++i) {
    auto key = "many-" + std::to_string(i);
    jobs.push_back(
      machine.run(docker_plan(engine, key,
                              {helper_stage("echo " + key + " > /builds/file"),
                               build_stage("test $(cat /builds/file) = " + key
                                           + "; echo is " + key)})));
  }
  for (int i = 0; i < count; ++i) {
    auto key = "many-" + std::to_string(i);
    auto log = collect(jobs[static_cast<size_t>(i)]);
    check_end(log, plan_outcome::success);
    CHECK(has(log.out, "is " + key + "\n"));
    CHECK(machine.clean(job_key(key)).clean);
  }
  CHECK(engine.containers().empty());
}

TEST_CASE("a job's containers go when it ends, also if nobody comes to clean"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto job = machine.run(docker_plan(engine, "job-e", {build_stage("echo")}));
  check_end(collect(job), plan_outcome::success);
  CHECK(eventually([&] { return engine.containers().empty(); }));
  CHECK(machine.clean(job_key("job-e")).clean);
}

TEST_CASE("a retried stage of the helper runs what is before a retry"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto stage = helper_stage("echo try; test -e /builds/ready || exit 1");
  stage.before_retry = "echo again; touch /builds/ready";
  stage.attempts_max = 2;
  stage.retry_pause_ms = 1;
  auto done = run_to_end(docker_plan(engine, "job-f", {stage}));
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "try\nagain\ntry\n"));
}

TEST_CASE("a plan whose stages are of the host and of containers runs both"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan
    = docker_plan(engine, "job-g",
                  {step("echo on the host"), build_stage("echo in the build")});
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "on the host\nin the build\n"));
}

TEST_CASE("the Engine is that of the login user, if the plan names none"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine({}, {"PATH=/usr/bin:/bin", "HOME=/root",
                    "DOCKER_HOST=" + engine.address()});
  auto plan = docker_plan(engine, "job-h", {build_stage("echo reached")});
  plan.containers->host.clear();
  auto job = machine.run(plan);
  auto log = collect(job);
  check_end(log, plan_outcome::success);
  CHECK(has(log.out, "reached\n"));
  CHECK(machine.clean(job_key("job-h")).clean);
}

TEST_CASE("the secrets of a job are on no command line of the instance"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto plan = docker_plan(engine, "job-i", {build_stage("echo up; sleep 60")});
  auto body = docker::json::parse(plan.containers->build.body.reveal());
  body["Env"].push_back("TOKEN=muster-hidden-value");
  plan.containers->build.body = secret{body.dump()};
  auto job = machine.run(plan);
  collect(job, [](const job_log& log) { return has(log.out, "up\n"); });
  auto supervisors = machine.supervisors();
  REQUIRE_FALSE(supervisors.empty());
  for (auto parent : supervisors)
    for (auto pid : children_of(parent)) {
      auto where = "/proc/" + std::to_string(pid);
      CHECK(has(read_file(where + "/cmdline"), "container-stage"));
      CHECK_FALSE(has(read_file(where + "/cmdline"), "muster-hidden-value"));
      CHECK_FALSE(has(read_file(where + "/environ"), "muster-hidden-value"));
    }
  CHECK(machine.clean(job_key("job-i")).clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("folders are given to the user of the image where the plan says so"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(
    engine, "owner",
    {helper_stage("umask 077; mkdir -p /builds/p; echo x > /builds/p/f"),
     build_stage("id -u; cat /builds/p/f; echo mine > /builds/p/g"),
     after_stage("cat /builds/p/g")});
  auto body = docker::json::parse(plan.containers->build.body.reveal());
  body["User"] = "1000";
  plan.containers->build.body = secret{body.dump()};
  SUBCASE("said") {
    plan.containers->given_to_user = {"/builds/p", "/builds/p.tmp"};
    auto done = run_to_end(plan);
    check_end(done.log, plan_outcome::success);
    CHECK(has(done.log.out, "1000\nx\nmine\n"));
  }
  SUBCASE("not said") {
    auto done = run_to_end(plan);
    check_end(done.log, plan_outcome::failed);
    CHECK(has(done.log.err, "ermission denied"));
  }
}
