#include "tests/e2e/manager/world.hpp"

#include "providers/local/processes.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

/// One manager for all tests of this file.
world& house() {
  static world one;
  return one;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Goes on until a file in /tmp of the instance says that it may end.
std::string patient(const std::string& go) {
  return fmt::format("echo begun; for i in $(seq 600); do "
                     "test -e /tmp/{0} && echo went on && exit 0; "
                     "sleep 0.1; done; exit 1",
                     go);
}

/// The helpers of an instance: its daemon serves the manager, and is the parent
/// of a supervisor for each job.
struct helpers {
  explicit helpers(pid_t first) {
    auto all = processes_with("/muster-helper-", first);
    for (const auto& x : all) {
      auto of_helper
        = [&x](const seen_process& y) { return y.pid == x.parent; };
      if (std::any_of(all.begin(), all.end(), of_helper))
        supervisors.push_back(x.pid);
      else
        daemon = x.pid;
    }
  }

  pid_t daemon = 0;
  std::vector<pid_t> supervisors;
};

pid_t first_process(world& x, const std::string& instance) {
  auto all = x.place.instances();
  REQUIRE_EQ(all.count(instance), 1);
  return all.at(instance).process.pid;
}

} // namespace

TEST_CASE("a job goes on when the helper that started it is killed"
          * doctest::skip(geteuid() != 0)) {
  auto& x = house();
  auto id = x.enqueue_script(patient("go"));
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  helpers there{first_process(x, instance)};
  REQUIRE_NE(there.daemon, 0);
  REQUIRE_EQ(there.supervisors.size(), 1);
  REQUIRE_EQ(::kill(there.daemon, SIGKILL), 0);
  CHECK(x.manager->says("connection to the instance failed",
                        {{"instance", instance}}));
  // The next job finds a new helper there, on the same instance.
  auto next = x.enqueue_script("touch /tmp/go");
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK_EQ(x.instance_of(next), instance);
  CHECK_EQ(x.ended(id).state, job_state::success);
  CHECK(contains(x.log(id), "\nwent on"));
  CHECK_EQ(count_of("\nbegun", x.log(id)), 1);
  x.check_rules();
}

TEST_CASE("a job whose supervisor is killed fails by the system, in words"
          * doctest::skip(geteuid() != 0)) {
  auto& x = house();
  auto id = x.enqueue_script("echo begun; sleep 61.0751");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  helpers there{first_process(x, instance)};
  REQUIRE_EQ(there.supervisors.size(), 1);
  REQUIRE_EQ(::kill(there.supervisors.front(), SIGKILL), 0);
  auto job = x.ended(id);
  CAPTURE(x.log(id));
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK(contains(x.log(id), "ERROR: Job failed (system failure): "));
  CHECK(contains(x.log(id), instance));
  CHECK(contains(x.log(id), "the supervisor of the job"));
  CHECK(eventually([] { return processes_with("61.0751").empty(); }));
  CHECK(x.serves_a_job());
  x.check_rules();
}

TEST_CASE("an instance removed under its jobs fails them within 5 s, by name") {
  auto& x = house();
  auto one = x.enqueue_script("echo begun; sleep 61.0752");
  auto other = x.enqueue_script("echo begun; sleep 61.0752");
  REQUIRE(x.shows(one, "\nbegun"));
  REQUIRE(x.shows(other, "\nbegun"));
  auto instance = x.instance_of(one);
  local::kill_process(x.place.instances().at(instance).process);
  auto since = std::chrono::steady_clock::now();
  for (auto id : {one, other}) {
    auto job = x.ended(id);
    CAPTURE(x.log(id));
    CHECK_EQ(job.state, job_state::failed);
    CHECK_EQ(job.failure_reason, "runner_system_failure");
    CHECK(contains(x.log(id),
                   "ERROR: Job failed (system failure): instance " + instance));
    CHECK(contains(x.log(id), "externally removed"));
  }
  auto took = std::chrono::steady_clock::now() - since;
  CHECK_LT(took, 5s);
  CHECK(
    x.manager->says("instance unexpectedly removed", {{"instance", instance}}));
  auto next = x.enqueue_script("true");
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK_NE(x.instance_of(next), instance);
  CHECK(processes_with("61.0752").empty());
  CHECK(eventually([&] { return x.place.instances().count(instance) == 0; }));
  x.check_rules();
}
