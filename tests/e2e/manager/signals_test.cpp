#include "tests/e2e/manager/world.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <set>
#include <sstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("SIGHUP harms no job; SIGQUIT waits for the job, then exits 0") {
  world x;
  auto id = x.enqueue_script("echo begun; for i in $(seq 20); do sleep 0.1; "
                             "done; echo to the end");
  REQUIRE(x.shows(id, "\nbegun"));
  x.manager->signal(SIGHUP);
  CHECK(x.manager->says("read again, nothing has changed"));
  x.manager->signal(SIGQUIT);
  CHECK(x.manager->says("Starting graceful shutdown"));
  auto unwanted = x.enqueue_script("true");
  CHECK_EQ(x.ended(id).state, job_state::success);
  CHECK(contains(x.log(id), "\nto the end"));
  CHECK_EQ(x.manager->wait_exit(), 0);
  CHECK(x.manager->says("Can exit now!"));
  CHECK_EQ(x.gitlab.job(unwanted)->state, job_state::pending);
  CHECK(x.place.living().empty());
  x.check_rules();
}

TEST_CASE("SIGTERM interrupts the job, removes the instances and exits 0") {
  world x;
  auto id = x.enqueue_script("trap '' TERM; echo begun; sleep 61.0741");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instances = x.place.living();
  CHECK_EQ(instances.size(), 1);
  x.manager->signal(SIGTERM);
  auto job = x.ended(id);
  CHECK_EQ(x.manager->wait_exit(), 0);
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "runner_interrupted");
  CAPTURE(x.log(id));
  CHECK(contains(x.log(id), "ERROR: Job failed: aborted: terminated"));
  CHECK(x.manager->says("Starting forceful shutdown"));
  CHECK(x.place.living().empty());
  CHECK(processes_with("61.0741").empty());
  x.check_rules();
}

TEST_CASE("without delete_instances_on_shutdown the instances stay") {
  world::settings how;
  how.manager.delete_on_shutdown = false;
  world x{how};
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(SIGINT), 0);
  CHECK_EQ(x.place.living().size(), 1);
  x.check_rules();
}

TEST_CASE("a second SIGTERM ends the manager at once, with status 1") {
  world x;
  auto id = x.enqueue_script("echo begun; sleep 61.0742");
  REQUIRE(x.shows(id, "\nbegun"));
  // While GitLab takes no result, the first signal waits for it.
  x.gitlab.fail_with(
    {.at = endpoint::update, .kind = fault_kind::status, .state = {}});
  x.manager->signal(SIGTERM);
  CHECK(x.manager->says("Starting forceful shutdown"));
  CHECK_FALSE(x.manager->wait_exit(200ms));
  x.manager->signal(SIGTERM);
  CHECK_EQ(x.manager->wait_exit(), 1);
  CHECK(x.manager->says("told to stop again"));
  x.check_rules();
}

TEST_CASE("SIGPWR stops as SIGTERM does, and counts once") {
  world x;
  auto id = x.enqueue_script("echo begun; sleep 61.0743");
  REQUIRE(x.shows(id, "\nbegun"));
  auto fault = x.gitlab.fail_with(
    {.at = endpoint::update, .kind = fault_kind::status, .state = {}});
  x.manager->signal(SIGPWR);
  CHECK(x.manager->says("Starting forceful shutdown"));
  x.manager->signal(SIGPWR);
  CHECK_FALSE(x.manager->wait_exit(500ms));
  x.gitlab.faults().remove(fault);
  CHECK_EQ(x.ended(id).failure_reason, "runner_interrupted");
  CHECK_EQ(x.manager->wait_exit(), 0);
  CHECK(x.place.living().empty());
  x.check_rules();
}

TEST_CASE("every line of a log has its format, and a job's its fields") {
  world::settings how;
  how.start = false;
  world x{how};
  for (const std::string format : {"json", "text", "runner"}) {
    CAPTURE(format);
    x.manager = std::make_unique<manager_process>(
      x.place, std::vector<std::string>{"--log-format", format});
    auto id = x.enqueue_script("exit 2");
    x.ended(id);
    CHECK_EQ(x.stop_manager(SIGQUIT), 0);
    auto job = format == "runner" ? "job\x1b[0;m=" : "job=";
    size_t of_job = 0;
    std::istringstream in{x.manager->log()};
    for (std::string line; std::getline(in, line);) {
      CAPTURE(line);
      if (format == "json") {
        auto tree = json::parse(line);
        CHECK(tree.contains("time"));
        CHECK(tree.contains("level"));
        CHECK(tree["msg"].is_string());
        if (!tree.contains("job"))
          continue;
        ++of_job;
        CHECK_EQ(tree["job"], id);
        CHECK(tree["runner"].is_string());
      } else {
        if (format == "text")
          CHECK(line.starts_with("time=\"2"));
        if (!contains(line, job))
          continue;
        ++of_job;
        CHECK(contains(line, job + std::to_string(id)));
        CHECK(
          contains(line, format == "runner" ? "runner\x1b[0;m=" : "runner="));
      }
    }
    CHECK_GE(of_job, 3); // received, dialing, failed
  }
  x.check_rules();
}
