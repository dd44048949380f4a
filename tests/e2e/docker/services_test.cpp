#include "tests/e2e/docker/docker_world.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

/// Answers on a port, as a service does.
constexpr const char* web = "while :; do echo served | nc -l -p 8080; done";

} // namespace

TEST_CASE("a service is reached by its name, once it takes connections"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_image("muster-web:latest", {"EXPOSE 8080/tcp"});
  auto plan = docker_plan(engine, "svc-a",
                          {helper_stage("grep web /etc/hosts | wc -l"),
                           build_stage("nc web 8080 < /dev/null")});
  plan.containers->services.push_back(
    service_of("svc-a", "web", "muster-web:latest", web));
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "Starting service web:latest..."));
  CHECK(has(done.log.out, "Waiting for services to be up and running (timeout "
                          "30 seconds)..."));
  INFO(done.log.out);
  CHECK_FALSE(has(done.log.out, "probably didn't start properly"));
  CHECK(has(done.log.out, "served"));
  CHECK(has(done.log.out, "1\n"));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());
}

TEST_CASE("a service that takes no connections is warned of with its log, and "
          "the job goes on"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_image("muster-web:latest", {"EXPOSE 8080/tcp"});
  auto plan = docker_plan(engine, "svc-b", {build_stage("echo goes on")});
  plan.containers->services
    = {service_of("svc-b", "deaf", "muster-web:latest",
                  "echo I do not listen; sleep 600"),
       service_of("svc-b", "closed", test_image, "echo no port; sleep 600")};
  plan.containers->services_timeout_ms = 2'000;
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  const auto& out = done.log.out;
  INFO(out);
  CHECK(has(out, "*** WARNING:"));
  CHECK(has(out, "Service svc-b-deaf probably didn't start properly."));
  CHECK(has(out, "service \"svc-b-deaf\" timeout"));
  CHECK(has(out, "I do not listen"));
  CHECK(has(out, "service \"svc-b-closed\" has no exposed ports"));
  CHECK(has(out, "goes on\n"));
  CHECK(engine.containers().empty());
}

TEST_CASE("services are not waited for if that is turned off"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(engine, "svc-c", {build_stage("echo ran")});
  plan.containers->services
    = {service_of("svc-c", "closed", test_image, "sleep 600")};
  plan.containers->services_timeout_ms = -1;
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK_FALSE(has(done.log.out, "Waiting for services"));
  CHECK_FALSE(has(done.log.out, "WARNING"));
}

TEST_CASE("in a network of the job's own, containers have names"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_image("muster-web:latest", {"EXPOSE 8080/tcp"});
  auto plan = docker_plan(
    engine, "svc-d",
    {build_stage("nslookup web 127.0.0.11 && nc web 8080 < /dev/null")});
  plan.containers->services
    = {service_of("svc-d", "web", "muster-web:latest", web)};
  plan.containers->network = network_request{
    "svc-d-net", R"({"Name":"svc-d-net","CheckDuplicate":true})"};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "served"));
  CHECK(done.cleaned.clean);
  for (const auto& name : engine.networks())
    CHECK_NE(name, "svc-d-net");
}

TEST_CASE("services' logs are in the job's, if they are asked for"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  auto plan = docker_plan(engine, "svc-e", {build_stage("sleep 2; echo ran")});
  plan.containers->services = {service_of("svc-e", "loud", test_image,
                                          "echo from the service; sleep 600")};
  plan.containers->services_timeout_ms = -1;
  plan.containers->services_logs = true;
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
  INFO(done.log.out);
  CHECK(has(done.log.out, "[service:loud] "));
  CHECK(has(done.log.out, "from the service\n"));
  CHECK(has(done.log.out, "ran\n"));
  CHECK(done.cleaned.clean);
}
