// How jobs in containers end at GitLab.

#include "tests/e2e/docker_manager/docker_bed.hpp"

#include "providers/local/processes.hpp"

#include <csignal>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

} // namespace

TEST_CASE("what is wrong with containers is told to GitLab by its reason, with "
          "words that say what to do"
          * doctest::skip(no_engine())) {
  engine_with_image().import_bare_image("muster-bare:latest");
  docker_bed b;
  struct row {
    const char* what;
    nlohmann::json job;
    const char* reason;
    const char* says;
  };
  const row rows[] = {
    {"a script fails",
     {{"script", "exit 7"}},
     "script_failure",
     "ERROR: Job failed: exit code 7"},
    {"an image that nobody has",
     {{"image",
       {{"name", "127.0.0.1:1/none:1"}, {"pull_policy", {"if-not-present"}}}}},
     "runner_external_dependency_failure",
     "127.0.0.1:1/none:1"},
    {"an image without a shell",
     {{"image", "muster-bare:latest"}},
     "runner_configuration_error",
     "muster-bare:latest has not the shell"},
    {"an entrypoint that is not there",
     {{"image", {{"name", test_image}, {"entrypoint", {"/no/such"}}}}},
     "runner_configuration_error",
     "/no/such"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto id = b.enqueue("echo ran", r.job);
    auto job = b.x.ended(id);
    CAPTURE(b.x.log(id));
    CHECK_EQ(job.state, job_state::failed);
    CHECK(has(job.failure_reason, r.reason));
    CHECK(has(b.x.log(id), r.says));
    CHECK(b.is_engine_empty());
  }
  CHECK(b.x.serves_a_job());
  b.x.check_rules();
}

TEST_CASE("an Engine that goes away under a job is a failure of the system; "
          "once it is back the instance is cleaned and serves again"
          * doctest::skip(no_engine())) {
  engine_host engine;
  engine.import_image(test_image);
  docker_bed b{{.engine = &engine}};
  auto id = b.enqueue("echo begun; touch /marks/begun; sleep 600");
  REQUIRE(b.marks.shows("begun"));
  engine.stop();
  auto job = b.x.ended(id);
  CAPTURE(b.x.log(id));
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK(has(b.x.log(id), "the Docker Engine went away while the script ran"));
  engine.start();
  CHECK(b.x.serves_a_job());
  CHECK(b.is_engine_empty());
  b.x.check_rules();
}

TEST_CASE("an instance that is gone under a job in containers is a failure of "
          "the system, told with its name, in whichever stage it is"
          * doctest::skip(no_engine())) {
  engine_with_image().import_image("muster-deaf:latest", {"EXPOSE 8080/tcp"});
  docker_bed::settings how;
  how.docker = {"wait_for_services_timeout = 600"};
  docker_bed b{how};
  const auto slow = nlohmann::json::array({"echo up; sleep 600"});
  struct row {
    const char* stage;
    nlohmann::json job;
    const char* sign;
  };
  const row rows[] = {
    {"prepare",
     {{"services",
       {{{"name", "muster-deaf:latest"}, {"command", {"sleep", "600"}}}}}},
     "Waiting for services"},
    {"sources",
     {{"variables", {{"GIT_STRATEGY", "fetch"}}},
      {"hooks", {{"pre_get_sources_script", slow}}}},
     "\nup"},
    {"script", {{"script", slow}}, "\nup"},
    {"after", {{"after_script", slow}}, "\nup"},
    {"archive",
     {{"script", "echo x > x"}, {"artifacts", {{"paths", {"x"}}}}},
     "x: found"},
  };
  gitlab::fault upload;
  upload.at = gitlab::endpoint::upload;
  upload.kind = gitlab::fault_kind::latency;
  upload.latency = std::chrono::minutes{10};
  b.x.gitlab.faults().add(upload);
  for (const auto& r : rows) {
    CAPTURE(std::string{r.stage});
    auto id = b.enqueue("true", r.job);
    auto is_there = b.x.shows(id, r.sign);
    CAPTURE(b.x.log(id));
    REQUIRE(is_there);
    auto instance = b.x.instance_of(id);
    local::kill_process(b.x.place.instances().at(instance).process);
    auto job = b.x.ended(id);
    CAPTURE(b.x.log(id));
    CHECK_EQ(job.failure_reason, "runner_system_failure");
    CHECK(has(b.x.log(id), instance));
    // With a real instance its Engine and its containers are gone, too.
    for (const auto& x : b.engine.containers())
      CHECK(b.engine.api()
              .ask({"DELETE", "/containers/" + x + "?force=1"})
              .has_value());
  }
  CHECK(b.x.serves_a_job());
  b.x.check_rules();
}

TEST_CASE("a job in containers that is canceled at GitLab, or out of its time, "
          "leaves nothing"
          * doctest::skip(no_engine())) {
  docker_bed b;
  auto id = b.enqueue("echo begun; touch /marks/begun; sleep 600",
                      {{"after_script", {"echo after $CI_JOB_STATUS"}}});
  REQUIRE(b.marks.shows("begun"));
  REQUIRE(b.x.gitlab.cancel(id, true));
  CHECK(eventually(
    [&] { return b.x.gitlab.job(id)->state == job_state::canceled; }));
  CHECK(b.x.shows(id, "after canceled"));
  CHECK(b.is_engine_empty());

  id = b.enqueue("echo begun; sleep 600", {{"timeout", 5}});
  auto job = b.x.ended(id);
  CHECK_EQ(job.failure_reason, "job_execution_timeout");
  CHECK(b.is_engine_empty());
  CHECK(b.x.serves_a_job());
}
