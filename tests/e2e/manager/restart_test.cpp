#include "tests/e2e/manager/world.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;

TEST_CASE("a second manager on the same state folder is refused by name") {
  world x;
  CHECK(x.serves_a_job());
  auto second = run_muster({"run", "--config", x.place.config_file().string()});
  CAPTURE(second.output);
  CHECK_EQ(second.status, 1);
  auto words = fmt::format("state folder {} is in use by another muster (pid "
                           "{})",
                           x.place.state().string(), x.manager->pid());
  CHECK_NE(second.output.find(words), std::string::npos);
  CHECK(x.serves_a_job());
  x.check_rules();
}

TEST_CASE("a manager killed under a job has a successor that settles it") {
  world x;
  auto id = x.enqueue_script("echo begun; sleep 61.0761");
  auto done = x.enqueue_script("echo done");
  REQUIRE(x.shows(id, "\nbegun"));
  CHECK_EQ(x.ended(done).state, job_state::success);
  auto instance = x.instance_of(id);
  x.manager->kill();
  CHECK_EQ(x.place.living(), std::vector{instance});
  x.start_manager();
  auto job = x.ended(id);
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK(
    x.manager->says("an earlier manager ended under this job", {{"job", id}}));
  CHECK(x.manager->says("instance discovery",
                        {{"instance", instance}, {"cause", "preexisted"}}));
  CHECK(
    x.manager->says("instance marked for removal", {{"instance", instance}}));
  auto next = x.enqueue_script("true");
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK_NE(x.instance_of(next), instance);
  CHECK(eventually([&] { return x.place.instances().count(instance) == 0; }));
  CHECK(eventually([] { return processes_with("61.0761").empty(); }));
  CHECK_EQ(x.gitlab.job(done)->touches, 0);
  x.check_rules();
}

TEST_CASE("an instance left by one manager serves the next") {
  world::settings how;
  how.manager.delete_on_shutdown = false;
  world x{how};
  auto first = x.enqueue_script("true");
  CHECK_EQ(x.ended(first).state, job_state::success);
  auto instance = x.instance_of(first);
  CHECK_EQ(x.stop_manager(SIGQUIT), 0);
  CHECK_EQ(x.place.living(), std::vector{instance});
  x.start_manager();
  CHECK(x.manager->says("instance discovery",
                        {{"instance", instance}, {"cause", "preexisted"}}));
  auto next = x.enqueue_script("true");
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK_EQ(x.instance_of(next), instance);
  x.check_rules();
}
