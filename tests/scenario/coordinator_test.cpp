#include "actors/coordinator/coordinator.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>
#include <memory>

using namespace muster;

namespace {

struct fixture {
  test::virtual_system world;
  std::vector<test::probe<http_worker_actor>> workers;
  std::shared_ptr<int> stopped = std::make_shared<int>(0);
  caf::actor parent = world.spawn_idle();
  caf::actor asker;
  test::probe<caf::actor> answers = world.spawn_probe<caf::actor>();
  coordinator_actor it;
  bool workers_fail = false;

  fixture() {
    coordinator_setup setup;
    setup.parent = parent.address();
    setup.make_worker = [this](caf::local_actor*, const coordinator_actor&,
                               uint64_t) -> started_worker {
      if (workers_fail)
        return {};
      workers.push_back(world.spawn_probe_now<http_worker_actor>());
      return {workers.back().handle, [count = stopped] { ++*count; }};
    };
    it = world.take(spawn_coordinator(world.sys, setup));
  }

  peer me() {
    return {"asker", answers.handle};
  }

  void poll(const char* key) {
    world.send(it, request_job{acquisition_key{key}, me()});
  }

  void update(const char* key, const char* state) {
    update_job x;
    x.key = acquisition_key{key};
    x.state = state;
    x.asker = me();
    world.send(it, x);
  }

  void patch(const char* key) {
    patch_trace x;
    x.key = acquisition_key{key};
    x.length_max = 10;
    x.asker = me();
    world.send(it, x);
  }
};

} // namespace

TEST_CASE("a long poll holds no worker that results need") {
  fixture f;
  f.poll("p");
  f.update("a", "success");
  REQUIRE_EQ(f.workers.size(), 2);
  CHECK_EQ(f.workers[0].count<request_job>(), 1);
  CHECK_EQ(f.workers[1].count<update_job>(), 1);
}

TEST_CASE("however many polls GitLab holds, results and logs go on") {
  fixture f;
  for (int i = 0; i < 70; ++i)
    f.poll("p");
  auto held = f.workers.size();
  CHECK_EQ(held, 60);
  f.update("a", "success");
  f.patch("b");
  REQUIRE_EQ(f.workers.size(), held + 2);
  CHECK_EQ(f.workers[held].count<update_job>(), 1);
  CHECK_EQ(f.workers[held + 1].count<patch_trace>(), 1);
  f.world.send(f.it, worker_free{held + 1}); // numbers begin with 1
  CHECK_EQ(f.workers[held].count<request_job>(), 0);
  f.world.send(f.it, worker_free{1});
  auto asked
    = f.workers[0].count<request_job>() + f.workers[held].count<request_job>();
  CHECK_EQ(asked, 2);
}

TEST_CASE("final states go before traces when workers are busy") {
  fixture f;
  for (int i = 0; i < 4; ++i)
    f.patch("x");
  REQUIRE_EQ(f.workers.size(), 4);
  f.patch("waits");
  f.update("a", "failed");
  f.world.send(f.it, worker_free{1});
  CHECK_EQ(f.workers[0].count<update_job>(), 1);
  f.world.send(f.it, worker_free{2});
  CHECK_EQ(f.workers[1].last<patch_trace>().key, acquisition_key{"waits"});
}

TEST_CASE("more workers come only when questions pile up") {
  fixture f;
  for (int i = 0; i < 9; ++i)
    f.patch("x");
  CHECK_EQ(f.workers.size(), 4);
  for (int i = 0; i < 200; ++i)
    f.patch("x");
  CHECK_GT(f.workers.size(), 4);
  CHECK_LE(f.workers.size(), 64);
}

TEST_CASE("a dead worker's question is answered as failed and it is replaced") {
  fixture f;
  f.patch("a");
  f.world.stop(f.workers[0].handle);
  auto answer = f.answers.last<patch_result>();
  CHECK_EQ(answer.key, acquisition_key{"a"});
  CHECK_EQ(answer.info.status, 0);
  CHECK_FALSE(answer.info.text.empty());
  f.patch("b");
  CHECK_EQ(f.workers.size(), 2);
}

TEST_CASE("without any worker every question is answered") {
  fixture f;
  f.workers_fail = true;
  f.poll("p");
  f.update("u", "success");
  CHECK_EQ(f.answers.last<job_offer>().info.status, 0);
  CHECK_EQ(f.answers.last<update_result>().info.status, 0);
}

TEST_CASE("shutting down aborts polls and lets results through") {
  fixture f;
  f.poll("p");
  f.world.send(f.it, stop_requests{true});
  CHECK_EQ(*f.stopped, 1);
  f.poll("late");
  CHECK_EQ(f.answers.last<job_offer>().key, acquisition_key{"late"});
  f.update("a", "success");
  CHECK_EQ(f.workers.back().count<update_job>(), 1);
}
