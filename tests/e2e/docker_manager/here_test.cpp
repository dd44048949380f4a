// Jobs in containers of instances that cannot run the helper: carried out from
// the manager's machine.

#include "tests/e2e/docker_manager/docker_bed.hpp"

#include <cstdlib>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

docker_bed::settings without_helper(std::vector<std::string> more = {}) {
  docker_bed::settings how;
  how.manager.manager.plugin_config = {no_programs};
  for (auto& x : more)
    how.manager.manager.plugin_config.push_back(std::move(x));
  return how;
}

} // namespace

TEST_CASE("an instance that runs no helper runs jobs in containers all the same"
          * doctest::skip(no_engine())) {
  std::vector<std::string> more;
  SUBCASE("over a forwarded socket") {
  }
  SUBCASE("over docker's own dial") {
    more = {"sshd_options = [\"AllowStreamLocalForwarding no\"]"};
  }
  docker_bed b{without_helper(more)};
  auto id = b.enqueue(
    "echo host=$(hostname); echo to stderr >&2; i=0; while [ $i -lt 20000 ]; "
    "do "
    "i=$((i + 1)); echo \"line $i of a long log\"; done; echo secret-value-1; "
    "exit 6",
    {{"after_script", {"echo \"END=$CI_JOB_STATUS\""}},
     {"masked", {{"TOKEN", "secret-value-1"}}}});
  auto job = b.x.ended(id);
  auto log = b.x.log(id);
  CAPTURE(log.substr(0, 3'000));
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "script_failure");
  CHECK_EQ(job.exit_code, 6);
  CHECK_EQ(count_of("muster-helper cannot run on this instance", log), 1);
  CHECK(has(log, "line 20000 of a long log"));
  CHECK(has(log, "to stderr"));
  CHECK(has(log, "[MASKED]"));
  CHECK_EQ(b.x.printed(id, "END"), "failed");
  CHECK(b.is_engine_empty());
  CHECK(b.x.serves_a_job());
  CHECK_EQ(b.x.place.instances().size(), 1); // proven clean, so it is kept
  b.x.check_rules();
}

TEST_CASE("a job that is carried out from here is canceled with its containers"
          * doctest::skip(no_engine())) {
  docker_bed b{without_helper()};
  auto id = b.enqueue("echo begun; touch /marks/begun; sleep 600",
                      {{"after_script", {"echo after $CI_JOB_STATUS"}}});
  REQUIRE(b.marks.shows("begun"));
  REQUIRE(b.x.gitlab.cancel(id, true));
  CHECK(eventually(
    [&] { return b.x.gitlab.job(id)->state == job_state::canceled; }));
  CHECK(b.x.shows(id, "after canceled"));
  CHECK(b.is_engine_empty());
  CHECK(b.x.serves_a_job());
  b.x.check_rules();
}

TEST_CASE("a job that was carried out from a killed manager leaves nothing"
          * doctest::skip(no_engine())) {
  docker_bed b{without_helper()};
  auto id = b.enqueue("echo begun; touch /marks/begun; sleep 600");
  REQUIRE(b.marks.shows("begun"));
  b.x.manager->kill();
  b.x.start_manager();
  auto job = b.x.ended(id);
  CAPTURE(b.x.log(id));
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK(b.is_engine_empty());
  CHECK(b.x.serves_a_job());
}

TEST_CASE("a helper image's file reaches the Engine of such an instance"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  marks_folder files;
  auto file = (files.path() / "image.tar").string();
  REQUIRE_EQ(std::system(("docker -H " + engine.address() + " save -o " + file
                          + " " + test_image)
                           .c_str()),
             0);
  auto how = without_helper();
  SUBCASE("without a helper there") {
  }
  SUBCASE("with one") {
    how.manager.manager.plugin_config.clear();
  }
  how.has_helper_image = false;
  how.manager.manager.runner
    = {"[runners.muster]", "helper_image_archive = \"" + file + "\""};
  docker_bed b{how};
  auto id = b.enqueue("echo ran");
  auto job = b.x.ended(id);
  CAPTURE(b.x.log(id));
  CHECK_EQ(job.state, job_state::success);
  CHECK(b.is_engine_empty());
}
