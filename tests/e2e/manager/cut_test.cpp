#include "tests/e2e/manager/world.hpp"
#include "tests/support/tcp_proxy.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <random>
#include <regex>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

constexpr int seeded_cuts = 18; ///< beside the two within a character and mask

/// Where the proxy cuts: nowhere at first, then at seeded moments.
class cutter {
public:
  explicit cutter(unsigned seed) : chance_(seed) {
  }

  int64_t next(int cuts) {
    if (!on || cuts >= seeded_cuts)
      return -1;
    return std::uniform_int_distribution<int64_t>{6'000, 30'000}(chance_);
  }

  std::atomic<bool> on{false};

private:
  std::mt19937 chance_;
};

/// Stops in the middle of a character, then in the middle of a masked value,
/// until a file says to go on; then it prints a lot.
std::string script(const std::string& name) {
  return fmt::format(
    "echo run >> /tmp/{0}.runs\n"
    "hold() {{ while ! test -e /tmp/{0}.$1; do sleep 0.02; done; }}\n"
    "printf 'euro \\342\\202'; hold a\n"
    "printf '\\254 and sec'; hold b\n"
    "printf 'ret-value-1 end\\n'\n"
    "i=0; while [ $i -lt 6000 ]; do i=$((i + 1))\n"
    "echo \"line $i: \xe2\x82\xac\xe2\x82\xac\xe2\x82\xac secret-value-1 and "
    "what stands behind it, up to the end of line $i\"; done\n"
    "echo \"runs $(wc -l < /tmp/{0}.runs)\"",
    name);
}

struct bed {
  bed() : x(settings()) {
    REQUIRE(x.serves_a_job());
    REQUIRE_EQ(x.stop_manager(SIGQUIT), 0);
    instance = x.place.living().front();
    route_through_proxy();
    x.start_manager();
  }

  static world::settings settings() {
    world::settings how;
    how.manager.delete_on_shutdown = false;
    how.manager.runner = {"output_limit = 20000"};
    return how;
  }

  /// The next manager reads the port from the instance's record.
  void route_through_proxy() {
    auto record = x.place.instances().at(instance);
    proxy = std::make_unique<tcp_proxy>(
      record.port, [this] { return cuts.next(proxy->cuts()); });
    record.port = proxy->port();
    std::ofstream{x.place.instance(instance) / "instance.json"}
      << local::to_json(record);
  }

  void go(const std::string& name, const char* part) {
    std::ofstream{x.place.instance(instance) / "tmp" / (name + "." + part)};
  }

  int64_t enqueue(const std::string& name) {
    return x.enqueue(
      {{"script", script(name)},
       {"variables", {{"GIT_STRATEGY", "none"}, {"FF_TIMESTAMPS", "false"}}},
       {"masked", {{"TOKEN", "secret-value-1"}}}});
  }

  bool raw_log_has(int64_t id, const std::string& part) {
    return eventually(
      [&] { return x.gitlab.trace(id).find(part) != std::string::npos; });
  }

  void cut_and_wait() {
    auto before = count_of("Attached to the job again", x.manager->log());
    proxy->cut_all();
    ++cut_by_hand;
    CHECK(eventually([&] {
      return count_of("Attached to the job again", x.manager->log()) > before;
    }));
  }

  /// The log of a job, without what differs between two jobs.
  std::string log(int64_t id, const std::string& name) {
    static const std::regex times{"section_(start|end):[0-9]+"};
    auto text = std::regex_replace(x.gitlab.trace(id), times, "T");
    for (auto at = text.find(name); at != std::string::npos;
         at = text.find(name))
      text.replace(at, name.size(), "NAME");
    return text;
  }

  unsigned seed = std::random_device{}();
  cutter cuts{seed};
  world x;
  std::string instance;
  std::unique_ptr<tcp_proxy> proxy;
  int cut_by_hand = 0;
};

} // namespace

TEST_CASE("a job whose connection is cut 20 times has the log of an "
          "undisturbed one, and its script ran once") {
  bed b;
  MESSAGE("seed ", b.seed);
  auto calm = b.enqueue("calm");
  b.go("calm", "a");
  b.go("calm", "b");
  REQUIRE_EQ(b.x.ended(calm).state, job_state::success);

  auto id = b.enqueue("wild");
  REQUIRE(b.raw_log_has(id, "Executing"));
  REQUIRE(b.x.manager->says("Dialing instance", {{"job", id}}));
  REQUIRE(eventually([&] {
    return std::filesystem::exists(b.x.place.instance(b.instance) / "tmp"
                                   / "wild.runs");
  }));
  b.cut_and_wait(); // within the character
  b.go("wild", "a");
  REQUIRE(b.raw_log_has(id, "\xe2\x82\xac and "));
  b.cuts.on = true;
  b.cut_and_wait(); // within the masked value
  b.go("wild", "b");
  auto job = b.x.ended(id);
  INFO("seed ", b.seed);
  CHECK_EQ(job.state, job_state::success);
  CHECK_GE(b.proxy->cuts() + b.cut_by_hand, 20);
  auto log = b.log(id, "wild");
  CHECK_EQ(log.find("secret-value-1"), std::string::npos);
  CHECK_EQ(count_of("\nruns 1\n", log), 1);
  CHECK(log == b.log(calm, "calm")); // not shown: it is long
  b.x.check_rules();
}
