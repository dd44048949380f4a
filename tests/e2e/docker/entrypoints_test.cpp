// Images that are not made for jobs, and users that are not root.

#include "tests/e2e/docker/docker_world.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

using docker::json;

bool no_engine() {
  return !can_run_engine();
}

/// Sets a member of the build container's settings.
void set(job_plan& plan, const char* key, const json& value,
         const char* part = nullptr) {
  auto& body = plan.containers->build.body;
  auto settings = json::parse(body.reveal());
  (part != nullptr ? settings[part] : settings)[key] = value;
  body = secret{settings.dump()};
}

} // namespace

TEST_CASE("entrypoints that do not behave end the job as their exit code says, "
          "or with what is wrong with them"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  struct row {
    const char* what;
    json entrypoint;
    plan_outcome expected;
    int exit_code;
    const char* says; ///< in the log, or in the reason
    bool runs_script;
  };
  const row rows[] = {
    {"execs what it is given",
     {"env", "SET=by the entrypoint"},
     plan_outcome::success,
     0,
     "by the entrypoint",
     true},
    {"prints, then execs",
     {"sh", "-c", "echo from the entrypoint; exec \"$@\"", "entrypoint"},
     plan_outcome::success,
     0,
     "from the entrypoint\n",
     true},
    {"runs it as a child",
     {"sh", "-c", "\"$@\"; code=$?; echo and then; exit $code", "entrypoint"},
     plan_outcome::success,
     0,
     "and then\n",
     true},
    {"exits at once",
     {"sh", "-c", "echo not today; exit 3"},
     plan_outcome::failed,
     3,
     "not today\n",
     false},
    {"does its own work, without the script",
     {"sh", "-c", "sleep 1; echo own work"},
     plan_outcome::success,
     0,
     "own work\n",
     false},
    {"is not there",
     {"/bin/not-there"},
     plan_outcome::misconfigured,
     0,
     "/bin/not-there",
     false},
    {"is no program",
     {"/etc/passwd"},
     plan_outcome::misconfigured,
     0,
     "/etc/passwd",
     false},
  };
  for (const auto& r : rows) {
    CAPTURE(std::string{r.what});
    auto plan = docker_plan(engine, "entry",
                            {build_stage("echo script with ${SET:-nothing}")});
    set(plan, "Entrypoint", r.entrypoint);
    auto done = run_to_end(plan);
    check_end(done.log, r.expected);
    INFO(done.log.out);
    INFO(done.log.end->text);
    CHECK_EQ(done.log.end->exit_code, r.exit_code);
    CHECK(has(done.log.out + done.log.end->text, r.says));
    CHECK_EQ(has(done.log.out, "script with "), r.runs_script);
    CHECK_FALSE(has(done.log.out, "memory limit"));
    CHECK(done.cleaned.clean);
    CHECK(engine.containers().empty());
  }
}

TEST_CASE("the first command in a helper image waits for an entrypoint that "
          "makes a certificate known"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(
    engine, "late",
    {helper_stage("cat /known || echo too early"), build_stage("echo script")});
  auto& body = plan.containers->helper.body;
  auto settings = json::parse(body.reveal());
  settings["Entrypoint"]
    = {"sh", "-c", "sleep 1; echo entered > /known; exec \"$@\"", "entrypoint"};
  // Any file does for the certificate.
  settings["HostConfig"]["Binds"].push_back(
    "/etc/hostname:/etc/gitlab-runner/certs/ca.crt:ro");
  body = secret{settings.dump()};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "entered\n"));
  CHECK_FALSE(has(done.log.out, "too early"));
  CHECK(done.cleaned.clean);
}

TEST_CASE("a script's exit code is the job's, whatever it stands for"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  struct row {
    const char* script;
    int exit_code;
    const char* says;
  };
  const row rows[] = {
    {"/etc/passwd", 126, "Permission denied"},
    {"not-a-program", 127, "not found"},
    {"sh -c 'kill -9 $$'; exit $?", 137, ""},
    {"exit 255", 255, ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.script);
    auto done
      = run_to_end(docker_plan(engine, "code", {build_stage(r.script)}));
    check_end(done.log, plan_outcome::failed);
    CHECK_EQ(done.log.end->exit_code, r.exit_code);
    CHECK(has(done.log.out + done.log.err, r.says));
    CHECK_FALSE(has(done.log.out, "memory limit"));
    CHECK(done.cleaned.clean);
  }
}

TEST_CASE("an image's user owns what it writes and may change what the helper "
          "has written"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_image("muster-plain:latest", {"USER plain"});
  for (bool of_image : {true, false}) {
    CAPTURE(of_image);
    auto plan = docker_plan(
      engine, "user",
      {helper_stage("mkdir /builds/group; echo one > /builds/group/file"),
       build_stage("id -u; echo two >> /builds/group/file; "
                   "touch /builds/group/new; cat /builds/group/file"),
       cleanup_stage("rm /builds/group/new && echo removed")});
    if (of_image)
      plan.containers->build.image = image_of("muster-plain:latest");
    else
      set(plan, "User", "1000:1000");
    auto done = run_to_end(plan);
    check_end(done.log, plan_outcome::success);
    CHECK(has(done.log.out, "1000\none\ntwo\n"));
    CHECK(has(done.log.out, "removed\n"));
    CHECK(done.cleaned.clean);
  }
}

TEST_CASE("a container that may not write its root runs scripts all the same"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(
    engine, "read-only",
    {build_stage("touch /file 2>/dev/null && exit 1; touch /builds/file; "
                 "echo went on"),
     after_stage("echo after, too")});
  set(plan, "ReadonlyRootfs", true, "HostConfig");
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "went on\nafter, too\n"));
  CHECK(done.cleaned.clean);
}

TEST_CASE("a service that ends at once is warned of with its last words, also "
          "if its log is followed"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_image("muster-web:latest", {"EXPOSE 8080/tcp"});
  for (bool followed : {true, false}) {
    CAPTURE(followed);
    auto plan
      = docker_plan(engine, "crash", {build_stage("sleep 1; echo goes on")});
    plan.containers->services
      = {service_of("crash", "gone", "muster-web:latest",
                    "echo no database given >&2; exit 1")};
    plan.containers->services_timeout_ms = 3'000;
    plan.containers->services_logs = followed;
    auto done = run_to_end(plan);
    check_end(done.log, plan_outcome::success);
    INFO(done.log.out);
    CHECK(
      has(done.log.out, "Service crash-gone probably didn't start properly."));
    CHECK(has(done.log.out, "no database given"));
    CHECK_EQ(has(done.log.out, "[service:gone] "), followed);
    CHECK(has(done.log.out, "goes on\n"));
    CHECK(done.cleaned.clean);
    CHECK(engine.containers().empty());
  }
}

TEST_CASE("a service that cannot be started ends the job with its name"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_bare_image("muster-bare:latest");
  auto plan = docker_plan(engine, "no-start", {build_stage("echo ran")});
  plan.containers->services
    = {service_of("no-start", "bare", "muster-bare:latest", "true")};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::misconfigured);
  CHECK(has(done.log.end->text, "service"));
  CHECK(has(done.log.end->text, "muster-bare:latest"));
  CHECK_FALSE(has(done.log.out, "ran\n"));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());
}
