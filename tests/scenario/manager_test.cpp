#include "actors/manager/manager.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct fixture {
  test::virtual_system world;
  test::probe<journal_actor> journal;
  std::vector<test::probe<provider_actor>> providers;
  manager_setup setup;
  manager_actor it;
  std::vector<caf::error> ends;

  fixture() {
    setup.file.concurrent = 2;
    setup.make_journal = [this](caf::local_actor*, const caf::actor_addr&) {
      journal = world.spawn_probe_now<journal_actor>();
      return journal.handle;
    };
    auto wire = std::make_shared<test::scripted_transport>();
    setup.dial = std::make_shared<const dial_edge>(wire, "/none");
    auto shared = std::make_shared<edges>();
    shared->wire = wire;
    shared->traces = std::make_shared<trace_shelf>();
    shared->unix_us = [] { return int64_t{1'790'000'000'000'000}; };
    setup.edge = shared;
    for (const auto* name : {"a", "b"})
      add_runner(name);
  }

  void add_runner(const char* name) {
    auto cfg = std::make_shared<runner_config>();
    cfg->name = name;
    cfg->token = secret{std::string{"glrt-"} + name};
    cfg->autoscaler.emplace();
    cfg->autoscaler->policies.emplace_back();
    runner_parts parts;
    parts.id = runner_id{name};
    parts.config = cfg;
    parts.make_provider
      = [this](caf::local_actor*, const provider_parent_actor&) {
          providers.push_back(world.spawn_probe_now<provider_actor>());
          return providers.back().handle;
        };
    parts.make_worker = [](caf::local_actor*, const coordinator_actor&,
                           uint64_t) -> started_worker { return {}; };
    setup.runners.push_back(parts);
  }

  void start() {
    it = world.take(spawn_manager(world.sys, setup));
    auto watcher
      = world.sys.spawn([this](caf::event_based_actor* self) -> caf::behavior {
          self->set_down_handler(
            [this](const caf::down_msg& x) { ends.push_back(x.reason); });
          self->monitor(it);
          return {[](int) {}};
        });
    world.keep(watcher);
    world.run();
  }
};

} // namespace

TEST_CASE("each runner of the configuration is started") {
  fixture f;
  f.start();
  CHECK_EQ(f.journal.count<read_jobs>(), 2);
  for (const auto& x : f.journal.all<read_jobs>())
    f.world.send(as<journal_asker_actor>(x.asker), left_jobs{});
  CHECK_EQ(f.providers.size(), 2);
}

TEST_CASE("an idle manager stops in order") {
  fixture f;
  f.start();
  f.world.send(f.it, shutdown_request{stop_mode::graceful});
  f.world.run_for(1s);
  REQUIRE_EQ(f.ends.size(), 1);
  CHECK_FALSE(static_cast<bool>(f.ends.front()));
}

TEST_CASE("a second forceful request leaves at once, with an error") {
  fixture f;
  f.start();
  caf::anon_send(f.it, shutdown_request{stop_mode::term});
  caf::anon_send(f.it, shutdown_request{stop_mode::term});
  f.world.run();
  REQUIRE_EQ(f.ends.size(), 1);
  CHECK(static_cast<bool>(f.ends.front()));
}

TEST_CASE("a dead journal ends the manager: nothing may run unwritten") {
  fixture f;
  f.start();
  f.world.stop(f.journal.handle);
  REQUIRE_EQ(f.ends.size(), 1);
  CHECK(static_cast<bool>(f.ends.front()));
}

TEST_CASE("a dead runner is started again after a growing delay") {
  fixture f;
  f.start();
  auto asker = f.journal.all<read_jobs>().front().asker.handle;
  f.world.stop(asker);
  CHECK_EQ(f.journal.count<read_jobs>(), 2);
  f.world.run_for(2s);
  CHECK_EQ(f.journal.count<read_jobs>(), 3);
  f.world.stop(f.journal.all<read_jobs>().back().asker.handle);
  f.world.run_for(1s);
  CHECK_EQ(f.journal.count<read_jobs>(), 3);
  f.world.run_for(2s);
  CHECK_EQ(f.journal.count<read_jobs>(), 4);
}
