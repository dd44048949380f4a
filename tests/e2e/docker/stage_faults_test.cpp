// The table of docs/docker-autoscaler.md, "What happens when ...": each fault
// in each stage of a job, what the job's end is, and that nothing is left.

#include "tests/e2e/docker/docker_world.hpp"

#include <algorithm>
#include <csignal>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

enum class where { prepare, sources, script, after, archive, cleanup };

constexpr where all_stages[] = {where::prepare, where::sources, where::script,
                                where::after,   where::archive, where::cleanup};

std::string name_of(where x) {
  constexpr const char* names[]
    = {"prepare", "sources", "script", "after", "archive", "cleanup"};
  return names[static_cast<size_t>(x)];
}

constexpr const char* slow = "echo up; sleep 600";

/// A job that is at work in this stage, without an end.
job_plan plan_slow_in(where stage, const engine_host& at,
                      const std::string& key) {
  auto script = [stage](where x) { return x == stage ? slow : "true"; };
  auto plan = docker_plan(
    at, key,
    {helper_stage(script(where::sources)), build_stage(script(where::script)),
     after_stage(script(where::after)),
     helper_stage(script(where::archive), stage_phase::archive),
     cleanup_stage(script(where::cleanup))});
  plan.containers->network
    = network_request{key + "-net", R"({"Name":")" + key + R"(-net"})"};
  if (stage == where::prepare) {
    plan.containers->services
      = {service_of(key, "deaf", "muster-deaf:latest", "sleep 600")};
    plan.containers->services_timeout_ms = 600'000;
  }
  return plan;
}

const char* sign_of(where stage) {
  return stage == where::prepare ? "Waiting for services" : "up\n";
}

/// A machine with an Engine that may be harmed.
struct bed {
  explicit bed(engine_host::options how = {}) : engine(how) {
    engine.import_image(test_image);
    engine.import_image("muster-deaf:latest", {"EXPOSE 8080/tcp"});
  }

  /// Runs a job until it is at work in this stage.
  void begin(where stage) {
    key = "cut-" + name_of(stage) + std::to_string(++jobs);
    job.emplace(machine.run(plan_slow_in(stage, engine, key)));
    auto sign = sign_of(stage);
    before
      = collect(*job, [sign](const job_log& x) { return has(x.out, sign); });
    INFO(before.out);
    auto ended = before.end ? before.end->text : "";
    INFO(ended);
    REQUIRE(has(before.out, sign));
  }

  job_log end() {
    auto log = collect(*job);
    log.out = before.out + log.out;
    return log;
  }

  /// Checks that the slot is clean and that nothing of the job is there.
  void check_nothing_left() {
    auto cleaned = machine.clean(job_key(key));
    INFO(cleaned.text);
    CHECK(cleaned.clean);
    auto is_of_job = [this](const std::string& x) { return x.find(key) == 0; };
    CHECK(engine.containers().empty());
    auto volumes = engine.volumes();
    CHECK(std::none_of(volumes.begin(), volumes.end(), is_of_job));
    auto networks = engine.networks();
    CHECK(std::none_of(networks.begin(), networks.end(), is_of_job));
  }

  /// The container that a stage is at work in.
  std::string container(where stage) const {
    auto in_build = stage == where::script || stage == where::after;
    return key + (in_build ? "-build" : "-predefined");
  }

  engine_host engine;
  host machine;
  std::string key;
  std::optional<wire> job;
  job_log before;
  int jobs = 0;
};

/// The end of a job by a fault of the system in this stage: cleaning up never
/// decides it.
plan_outcome broken_in(where stage) {
  return stage == where::cleanup ? plan_outcome::success : plan_outcome::broken;
}

/// Checks a job's end, and that its reason names the Engine.
void check_engine_named(where stage, const job_log& log) {
  check_end(log, broken_in(stage));
  if (stage == where::cleanup || !log.end)
    return;
  INFO(log.out);
  INFO(log.end->text);
  CHECK(has(log.end->text, "the Docker Engine"));
}

} // namespace

TEST_CASE("an Engine that crashes and is started again breaks the job, in "
          "whichever stage it is, and keeps nothing of it"
          * doctest::skip(no_engine())) {
  bed b;
  for (auto stage : all_stages) {
    CAPTURE(name_of(stage));
    b.begin(stage);
    b.engine.restart(SIGKILL);
    check_engine_named(stage, b.end());
    b.check_nothing_left();
  }
}

TEST_CASE("an Engine that is restarted for an upgrade breaks the job, in "
          "whichever stage it is, and keeps nothing of it"
          * doctest::skip(no_engine())) {
  bed b;
  for (auto stage : all_stages) {
    CAPTURE(name_of(stage));
    b.begin(stage);
    b.engine.restart(SIGTERM);
    check_engine_named(stage, b.end());
    b.check_nothing_left();
  }
}

TEST_CASE("an Engine that crashes under containers that go on without it "
          "breaks the job, and its containers go"
          * doctest::skip(no_engine())) {
  bed b{{.keeps_containers = true}};
  for (auto stage : {where::sources, where::script, where::archive}) {
    CAPTURE(name_of(stage));
    b.begin(stage);
    b.engine.restart(SIGKILL);
    check_engine_named(stage, b.end());
    b.check_nothing_left();
  }
}

TEST_CASE("an Engine that is gone for good breaks the job, in whichever stage "
          "it is; the slot is not clean before it is back"
          * doctest::skip(no_engine())) {
  bed b;
  for (auto stage : all_stages) {
    CAPTURE(name_of(stage));
    b.begin(stage);
    b.engine.stop();
    check_engine_named(stage, b.end());
    b.engine.start();
    b.check_nothing_left();
  }
}

TEST_CASE("a container that somebody removes while a stage is at work in it "
          "breaks the job, and the reason says so"
          * doctest::skip(no_engine())) {
  bed b;
  for (auto stage : {where::sources, where::script, where::after,
                     where::archive, where::cleanup}) {
    CAPTURE(name_of(stage));
    b.begin(stage);
    CHECK(b.engine.api()
            .ask({"DELETE", "/containers/" + b.container(stage) + "?force=1"})
            .has_value());
    auto log = b.end();
    check_end(log, broken_in(stage));
    if (stage != where::cleanup && log.end) {
      INFO(log.end->text);
      CHECK(has(log.end->text, "was killed or removed"));
      CHECK(has(log.end->text, b.container(stage)));
    }
    b.check_nothing_left();
  }
}

TEST_CASE("a container that somebody kills ends its script with 137"
          * doctest::skip(no_engine())) {
  bed b;
  b.begin(where::script);
  CHECK(b.engine.api()
          .ask({"POST", "/containers/" + b.container(where::script) + "/kill"})
          .has_value());
  auto log = b.end();
  check_end(log, plan_outcome::failed);
  CHECK_EQ(log.end->exit_code, 137);
  CHECK_FALSE(has(log.out, "memory limit"));
  b.check_nothing_left();
}

TEST_CASE("a stage's process that is killed breaks the job, in whichever stage "
          "it is"
          * doctest::skip(no_engine())) {
  bed b;
  for (auto stage : all_stages) {
    CAPTURE(name_of(stage));
    b.begin(stage);
    auto supervisors = b.machine.supervisors();
    REQUIRE_EQ(supervisors.size(), 1);
    auto stages = children_of(supervisors.front());
    REQUIRE_EQ(stages.size(), 1);
    ::kill(stages.front(), SIGKILL);
    auto log = b.end();
    check_end(log, broken_in(stage));
    if (stage != where::cleanup && log.end)
      CHECK(has(log.end->text, "ended with 137"));
    b.check_nothing_left();
  }
}

TEST_CASE("memory that runs out ends a script as its own failure, in the "
          "helper as in the build container, and the log says why"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  constexpr const char* eats
    = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived";
  for (bool in_helper : {true, false}) {
    CAPTURE(in_helper);
    auto plan = docker_plan(engine, "oom",
                            {in_helper ? helper_stage(eats) : build_stage(eats),
                             cleanup_stage("true")});
    auto& body
      = (in_helper ? plan.containers->helper : plan.containers->build).body;
    auto settings = docker::json::parse(body.reveal());
    settings["HostConfig"]["Memory"] = 32 << 20;
    settings["HostConfig"]["MemorySwap"] = 32 << 20;
    body = secret{settings.dump()};
    auto done = run_to_end(plan);
    check_end(done.log, plan_outcome::failed);
    CHECK_EQ(done.log.end->exit_code, 137);
    CHECK(has(done.log.out, "reached its memory limit"));
    CHECK(done.cleaned.clean);
    CHECK(engine.containers().empty());
  }
}

TEST_CASE("a disk that is full fails the script that fills it, breaks the job "
          "that needs it, and serves the next one"
          * doctest::skip(no_engine())) {
  engine_host engine{{.data_mib = 96}};
  engine.import_image(test_image);
  auto full = docker_plan(
    engine, "full-a",
    {build_stage("dd if=/dev/zero of=/builds/large bs=1M count=200"),
     cleanup_stage("true")});
  auto done = run_to_end(full);
  check_end(done.log, plan_outcome::failed);
  CHECK(has(done.log.out + done.log.err, "No space left on device"));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());

  done = run_to_end(docker_plan(engine, "full-b", {build_stage("echo next")}));
  check_end(done.log, plan_outcome::success);
}

TEST_CASE("a volume that somebody else uses is not removed, and the slot is "
          "not clean until it is"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  host machine;
  auto plan = docker_plan(engine, "used", {build_stage("echo up; sleep 600")});
  auto job = machine.run(plan);
  auto log = collect(job, [](const job_log& x) { return has(x.out, "up\n"); });
  REQUIRE(has(log.out, "up\n"));
  docker::json other{{"Image", test_image},
                     {"Cmd", {"sleep", "600"}},
                     {"HostConfig", {{"Binds", {"used-builds:/theirs"}}}}};
  docker::call create{"POST", "/containers/create?name=other"};
  create.body = other.dump();
  REQUIRE(engine.api().ask(create).has_value());
  REQUIRE(engine.api().ask({"POST", "/containers/other/start"}).has_value());
  machine.connect().send(frames::cancel{job_key("used"), cancel_mode::now});
  auto rest = collect(job);
  check_end(rest, plan_outcome::canceled);
  // It goes on trying for minutes; meanwhile the other one leaves.
  CHECK(eventually([&] { return engine.containers().size() == 1; }));
  REQUIRE(
    engine.api().ask({"DELETE", "/containers/other?force=1"}).has_value());
  auto cleaned = machine.clean(job_key("used"));
  INFO(cleaned.text);
  CHECK(cleaned.clean);
  auto volumes = engine.volumes();
  CHECK_EQ(std::count(volumes.begin(), volumes.end(), "used-builds"), 0);
}
