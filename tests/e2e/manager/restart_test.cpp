#include "tests/e2e/manager/world.hpp"

#include "providers/local/processes.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <regex>
#include <unistd.h>

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

namespace {

/// Prints a line twice a second until a file says that it may end, and counts
/// in another file how often it was begun. The euro sign and the secret are
/// under way for long: managers die within them.
std::string patient(const std::string& name) {
  return fmt::format(
    "echo run >> /tmp/{0}.runs; echo begun; "
    "printf 'split \\342\\202'; touch /tmp/{0}.half; "
    "for i in $(seq 1200); do test -e /tmp/{0}.go && break; sleep 0.05; done; "
    "printf '\\254 sec'; sleep 0.2; printf 'ret-value-1 end\n'; "
    "for i in $(seq 200); do echo \"line $i\"; done; "
    "echo \"runs $(wc -l < /tmp/{0}.runs)\"",
    name);
}

int64_t enqueue_patient(world& x, const std::string& name) {
  return x.enqueue({{"script", patient(name)},
                    {"variables", {{"GIT_STRATEGY", "none"}}},
                    {"masked", {{"TOKEN", "secret-value-1"}}}});
}

/// What a script does in /tmp of its instance.
std::filesystem::path mark(const world& x, const std::string& name) {
  auto living = x.place.living();
  return x.place.instance(living.empty() ? "none" : living.front()) / "tmp"
         / name;
}

/// Waits until a job is within its character.
bool is_half(const world& x, const std::string& name) {
  return eventually(
    [&] { return std::filesystem::exists(mark(x, name + ".half")); });
}

/// Lets a job go on.
void go(const world& x, const std::string& name) {
  std::ofstream{mark(x, name + ".go")} << "go";
}

/// A log as it is but for times: of its lines, and of its sections.
std::string timeless(std::string text) {
  static const std::regex times{
    "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]*Z|section_(start|end):[0-9]+"};
  return std::regex_replace(text, times, "T");
}

} // namespace

TEST_CASE("jobs go on when their manager is killed and started again") {
  world x;
  auto name = [](int i) { return "job" + std::to_string(i); };
  auto undisturbed = enqueue_patient(x, name(0));
  REQUIRE(is_half(x, name(0)));
  go(x, name(0));
  CHECK_EQ(x.ended(undisturbed).state, job_state::success);
  std::vector<int64_t> ids;
  for (int i = 1; i <= 4; ++i)
    ids.push_back(enqueue_patient(x, name(i)));
  for (int i = 1; i <= 4; ++i)
    REQUIRE(is_half(x, name(i)));
  REQUIRE(x.shows(ids.front(), "\nbegun"));
  auto instance = x.instance_of(ids.front());
  x.manager->kill();
  auto restarted = std::chrono::steady_clock::now();
  x.start_manager();
  for (auto id : ids)
    CHECK(x.manager->says("attached to again", {{"job", id}}));
  CHECK(x.manager->says("instance discovery",
                        {{"instance", instance}, {"cause", "preexisted"}}));
  for (auto id : ids)
    CHECK(x.manager->says("Attached", {{"job", id}}));
  auto took = std::chrono::steady_clock::now() - restarted;
  MESSAGE("attached again after ",
          std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
          " ms");
  for (int i = 1; i <= 4; ++i)
    go(x, name(i));
  for (int i = 1; i <= 4; ++i) {
    auto id = ids[static_cast<size_t>(i) - 1];
    CHECK_EQ(x.ended(id).state, job_state::success);
    CHECK_EQ(x.instance_of(id), instance);
    CHECK_EQ(x.printed(id, "runs"), x.printed(undisturbed, "runs"));
    auto log = timeless(x.gitlab.trace(id));
    CAPTURE(log);
    auto expected = timeless(x.gitlab.trace(undisturbed));
    for (auto at = expected.find(name(0)); at != std::string::npos;
         at = expected.find(name(0)))
      expected.replace(at, name(0).size(), name(i));
    CHECK_EQ(log, expected);
    CHECK_EQ(count_of("\nruns 1\n", x.log(id) + "\n"), 1);
    CHECK(log.find("secret-value-1") == std::string::npos);
  }
  // The instance is kept, and clean.
  auto next = x.enqueue_script("true");
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK_EQ(x.instance_of(next), instance);
  CHECK_EQ(x.place.instances().size(), 1);
  x.check_rules();
}

TEST_CASE("a job that waits for a slot when its manager is killed is run by "
          "the next one, once") {
  world::settings how;
  how.manager.concurrent = 2;
  how.manager.capacity = 1;
  world x{how};
  auto first = enqueue_patient(x, "first");
  REQUIRE(is_half(x, "first"));
  REQUIRE(x.shows(first, "\nbegun"));
  auto instance = x.instance_of(first);
  // The group promises no slot to a second job: it comes while the first waits.
  x.manager->kill();
  x.start_manager();
  CHECK(x.manager->says("Attached", {{"job", first}}));
  auto second = x.enqueue_script("echo second");
  go(x, "first");
  CHECK_EQ(x.ended(first).state, job_state::success);
  CHECK_EQ(x.ended(second).state, job_state::success);
  CAPTURE(x.log(second));
  CHECK_EQ(x.instance_of(second), instance);
  x.check_rules();
}

TEST_CASE("a job that waits for its instance to boot when its manager is "
          "killed is run by the next one, once") {
  world::settings how;
  how.manager.plugin_config = {"boot_delay = \"4s\""};
  world x{how};
  auto id = x.enqueue({{"script", {"echo run", "echo done"}},
                       {"variables", {{"GIT_STRATEGY", "none"}}}});
  REQUIRE(x.shows(id, "Preparing instance..."));
  CHECK(x.instance_of(id).empty());
  x.manager->kill();
  x.start_manager();
  CHECK(x.manager->says("it is taken over", {{"job", id}}));
  CHECK_EQ(x.ended(id).state, job_state::success);
  auto log = x.log(id);
  CAPTURE(log);
  CHECK_EQ(count_of("\nrun", log), 1);
  CHECK_EQ(count_of("Preparing instance...", log), 1);
  CHECK_EQ(count_of("Job succeeded", log), 1);
  CHECK(x.serves_a_job());
  // GitLab takes a second acceptance as a sign of life: the next manager cannot
  // know of the first.
  for (const auto& y : x.gitlab.violations().list())
    CHECK_EQ(y.rule, "acceptance");
}

TEST_CASE("a job whose instance is gone after a restart fails by the system, "
          "its log goes on in words") {
  world x;
  auto id = x.enqueue_script("for i in $(seq 99); do echo line $i; done; "
                             "echo begun; sleep 61.0761");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  x.manager->kill();
  local::kill_process(x.place.instances().at(instance).process);
  x.start_manager();
  auto job = x.ended(id);
  CAPTURE(x.log(id));
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK_EQ(count_of("line 99", x.log(id)), 1);
  CHECK_EQ(count_of("\nbegun", x.log(id)), 1);
  CHECK_NE(
    x.log(id).find("ERROR: Job failed (system failure): instance " + instance),
    std::string::npos);
  CHECK(x.serves_a_job());
  x.check_rules();
}

TEST_CASE("a job whose helper is killed between two managers fails by the "
          "system, and its instance is cleaned"
          * doctest::skip(geteuid() != 0)) {
  world x;
  auto id = x.enqueue_script("echo begun; sleep 61.0762");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  x.manager->kill();
  auto first = x.place.instances().at(instance).process.pid;
  for (const auto& y : processes_with("/muster-helper-", first))
    ::kill(y.pid, SIGKILL);
  x.start_manager();
  auto job = x.ended(id);
  CAPTURE(x.log(id));
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK_NE(x.log(id).find("lost the job"), std::string::npos);
  CHECK(eventually([] { return processes_with("61.0762").empty(); }));
  CHECK(x.serves_a_job());
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
