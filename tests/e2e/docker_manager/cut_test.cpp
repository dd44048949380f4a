// A job in containers goes on while its connection or its manager is away.

#include "tests/e2e/docker_manager/docker_bed.hpp"
#include "tests/support/tcp_proxy.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <random>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

constexpr int seeded_cuts = 18; ///< beside the two within a character and mask

/// Stops in the middle of a character, then in the middle of a masked value,
/// until a file says to go on; then it prints a lot.
std::string script(const std::string& name) {
  return fmt::format(
    "echo run >> /marks/{0}.runs\n"
    "hold() {{ while ! test -e /marks/{0}.$1; do sleep 0.02; done; }}\n"
    "printf 'euro \\342\\202'; hold a\n"
    "printf '\\254 and sec'; hold b\n"
    "printf 'ret-value-1 end\\n'\n"
    "i=0; while [ $i -lt 6000 ]; do i=$((i + 1))\n"
    "echo \"line $i: \xe2\x82\xac\xe2\x82\xac\xe2\x82\xac secret-value-1 and "
    "what stands behind it, up to the end of line $i\"; done\n"
    "echo \"runs $(wc -l < /marks/{0}.runs)\"",
    name);
}

nlohmann::json masked() {
  return {{"masked", {{"TOKEN", "secret-value-1"}}},
          {"variables", {{"FF_TIMESTAMPS", "false"}}}};
}

struct cut_bed : docker_bed {
  explicit cut_bed(std::vector<std::string> plugin_config = {})
    : docker_bed(how(std::move(plugin_config))) {
    REQUIRE(x.serves_a_job());
    REQUIRE_EQ(x.stop_manager(SIGQUIT), 0);
    route_through_proxy(x.place.living().front());
    x.start_manager();
  }

  static settings how(std::vector<std::string> plugin_config) {
    settings result;
    result.manager.manager.plugin_config = std::move(plugin_config);
    result.manager.manager.delete_on_shutdown = false;
    result.manager.manager.runner = {"output_limit = 20000"};
    return result;
  }

  /// The next manager reads the port from the instance's record.
  void route_through_proxy(const std::string& instance) {
    auto record = x.place.instances().at(instance);
    proxy = std::make_unique<tcp_proxy>(record.port, [this]() -> int64_t {
      if (!cuts_on || proxy->cuts() >= seeded_cuts)
        return -1;
      return std::uniform_int_distribution<int64_t>{6'000, 30'000}(chance);
    });
    record.port = proxy->port();
    std::ofstream{x.place.instance(instance) / "instance.json"}
      << local::to_json(record);
  }

  bool raw_log_has(int64_t id, const std::string& part) {
    return eventually([&] { return has(x.gitlab.trace(id), part); });
  }

  void cut_and_wait() {
    // After the last cut the provider was asked whether the instance is alive:
    // that is not to be cut, too.
    REQUIRE(eventually([&] { return proxy->open() == 1; }));
    auto before = count_of("Attached to the job again", x.manager->log());
    proxy->cut_all();
    ++cut_by_hand;
    CHECK(eventually([&] {
      return count_of("Attached to the job again", x.manager->log()) > before;
    }));
  }

  unsigned seed = std::random_device{}();
  std::mt19937 chance{seed};
  std::atomic<bool> cuts_on{false};
  std::unique_ptr<tcp_proxy> proxy;
  int cut_by_hand = 0;
};

} // namespace

TEST_CASE("a job in containers whose connection is cut 20 times has the log of "
          "an undisturbed one, and its script ran once"
          * doctest::skip(no_engine())) {
  cut_bed b;
  MESSAGE("seed ", b.seed);
  auto calm = b.enqueue(script("calm"), masked());
  b.marks.make("calm.a");
  b.marks.make("calm.b");
  REQUIRE_EQ(b.x.ended(calm).state, job_state::success);

  auto id = b.enqueue(script("wild"), masked());
  REQUIRE(b.marks.shows("wild.runs"));
  REQUIRE(b.raw_log_has(id, "euro"));
  b.cut_and_wait(); // within the character
  b.marks.make("wild.a");
  REQUIRE(b.raw_log_has(id, "\xe2\x82\xac and "));
  b.cuts_on = true;
  b.cut_and_wait(); // within the masked value
  b.marks.make("wild.b");
  auto job = b.x.ended(id);
  INFO("seed ", b.seed);
  CHECK_EQ(job.state, job_state::success);
  CHECK_GE(b.proxy->cuts() + b.cut_by_hand, 20);
  auto log = timeless(b.x.gitlab.trace(id), "wild");
  CHECK_EQ(log.find("secret-value-1"), std::string::npos);
  CHECK_EQ(count_of("\nruns 1\n", log), 1);
  CHECK(log == timeless(b.x.gitlab.trace(calm), "calm")); // it is long
  CHECK(b.is_engine_empty());
  b.x.check_rules();
}

TEST_CASE("a job that is carried out from here ends with its connection, and "
          "leaves nothing on the instance"
          * doctest::skip(no_engine())) {
  cut_bed b{{no_programs}};
  auto id = b.enqueue("echo begun; touch /marks/begun; sleep 600");
  REQUIRE(b.marks.shows("begun"));
  b.proxy->cut_all();
  auto job = b.x.ended(id);
  auto log = b.x.log(id);
  CAPTURE(log);
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK(has(log, "connection"));
  CHECK(b.is_engine_empty());
  CHECK(b.x.serves_a_job());
  CHECK_EQ(b.x.place.instances().size(), 1); // proven clean, so it is kept
  b.x.check_rules();
}

TEST_CASE("jobs in containers go on when their manager is killed and started "
          "again"
          * doctest::skip(no_engine())) {
  docker_bed b;
  auto calm = b.enqueue(script("calm"), masked());
  b.marks.make("calm.a");
  b.marks.make("calm.b");
  REQUIRE_EQ(b.x.ended(calm).state, job_state::success);
  std::vector<std::pair<std::string, int64_t>> jobs;
  for (const char* name : {"one", "two"})
    jobs.emplace_back(name, b.enqueue(script(name), masked()));
  for (const auto& [name, id] : jobs) {
    REQUIRE(b.marks.shows(name + ".runs"));
    REQUIRE(b.x.shows(id, "Executing \"step_script\" stage"));
  }
  b.x.manager->kill();
  b.x.start_manager();
  for (const auto& [name, id] : jobs)
    CHECK(b.x.manager->says("Attached", {{"job", id}}));
  for (const auto& [name, id] : jobs) {
    b.marks.make(name + ".a");
    b.marks.make(name + ".b");
  }
  for (const auto& [name, id] : jobs) {
    CAPTURE(name);
    CHECK_EQ(b.x.ended(id).state, job_state::success);
    auto log = timeless(b.x.gitlab.trace(id), name);
    CHECK_EQ(count_of("\nruns 1\n", log), 1);
    CHECK_EQ(log.find("secret-value-1"), std::string::npos);
  }
  CHECK(b.is_engine_empty());
  CHECK(b.x.serves_a_job());
  b.x.check_rules();
}

TEST_CASE("a manager that is killed while containers are prepared finds the "
          "job, whose log goes on where it stood"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_image("muster-deaf:latest", {"EXPOSE 8080/tcp"});
  docker_bed::settings how;
  how.docker = {"wait_for_services_timeout = 8"};
  docker_bed b{how};
  auto id = b.enqueue("echo ran", {{"services",
                                    {{{"name", "muster-deaf:latest"},
                                      {"alias", "deaf"},
                                      {"command", {"sleep", "600"}}}}}});
  REQUIRE(b.x.shows(id, "Waiting for services"));
  b.x.manager->kill();
  b.x.start_manager();
  CHECK_EQ(b.x.ended(id).state, job_state::success);
  auto log = b.x.log(id);
  CAPTURE(log);
  CHECK_EQ(count_of("Waiting for services", log), 1);
  CHECK_EQ(count_of("probably didn't start properly", log), 1);
  CHECK_EQ(count_of("\nran", log), 1);
  CHECK(b.is_engine_empty());
  b.x.check_rules();
}
