#include "actors/trace/trace.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct fixture {
  test::virtual_system world;
  test::probe<trace_parent_actor> job = world.spawn_probe<trace_parent_actor>();
  test::probe<coordinator_actor> gitlab
    = world.spawn_probe<coordinator_actor>();
  trace_actor it;

  fixture() {
    trace_setup setup;
    setup.role = "job:1/trace";
    setup.key = acquisition_key{"k"};
    setup.job = 1;
    setup.parent = job.handle;
    setup.coordinator = gitlab.handle;
    it = world.take(spawn_trace(world.sys, setup));
  }

  void answer_patch(int status, int64_t sent, int64_t total,
                    const std::string& job_status = "running") {
    patch_result x;
    x.key = acquisition_key{"k"};
    x.offset = gitlab.last<patch_trace>().offset;
    x.sent_bytes = sent;
    x.total_bytes = total;
    x.checksum = 7;
    x.info.status = status;
    x.info.job_status = job_status;
    world.send(it, x);
  }

  void answer_update(int status, const std::string& job_status = "") {
    update_result x;
    x.key = acquisition_key{"k"};
    x.state = gitlab.last<update_job>().state;
    x.info.status = status;
    x.info.job_status = job_status;
    world.send(it, x);
  }
};

} // namespace

TEST_CASE("what grew is sent soon, and the final state after the last byte") {
  fixture f;
  f.world.send(f.it, trace_grew{});
  f.world.run_for(200ms);
  REQUIRE_EQ(f.gitlab.count<patch_trace>(), 1);
  f.answer_patch(202, 100, 100);
  f.world.send(f.it, finish{"failed", "script_failure", 3});
  f.world.run_for(100ms);
  REQUIRE_EQ(f.gitlab.count<patch_trace>(), 2);
  CHECK_EQ(f.gitlab.last<patch_trace>().offset, 100);
  f.answer_patch(202, 20, 120);
  while (f.gitlab.count<update_job>() == 0
         && f.gitlab.count<patch_trace>() < 5) {
    f.answer_patch(0, 0, 120);
    f.world.run_for(1s);
  }
  auto told = f.gitlab.last<update_job>();
  CHECK_EQ(told.state, "failed");
  CHECK_EQ(told.failure_reason, "script_failure");
  CHECK_EQ(told.exit_code, 3);
  CHECK_EQ(told.size_bytes, 120);
  CHECK_EQ(f.job.count<trace_flushed>(), 0);
  f.answer_update(200);
  CHECK(f.job.last<trace_flushed>().confirmed);
}

TEST_CASE(
  "a final state that GitLab repeats is confirmed, another is not wanted") {
  for (const std::string repeated : {"failed", "canceled"}) {
    fixture f;
    f.world.send(f.it, finish{"failed", "script_failure", 3});
    f.world.run_for(1s);
    f.answer_patch(0, 0, 0);
    f.world.run_for(1s);
    REQUIRE_EQ(f.gitlab.last<update_job>().state, "failed");
    f.answer_update(200, repeated);
    auto told = f.job.last<trace_flushed>();
    CHECK(told.confirmed);
    CHECK_EQ(told.text.empty(), repeated == "failed");
  }
}

TEST_CASE("cancelling in GitLab reaches the job with the next answer") {
  fixture f;
  f.world.send(f.it, trace_grew{});
  f.world.run_for(200ms);
  f.answer_patch(202, 10, 10, "canceling");
  CHECK_EQ(f.job.last<job_ordered>().what, job_order::canceling);
}

TEST_CASE("a silent job is kept alive") {
  fixture f;
  f.world.run_for(65s);
  CHECK_GE(f.gitlab.count<update_job>(), 1);
  CHECK_EQ(f.gitlab.last<update_job>().state, "running");
}

TEST_CASE("a new coordinator is asked what the dead one did not answer") {
  fixture f;
  f.world.send(f.it, trace_grew{});
  f.world.run_for(200ms);
  REQUIRE_EQ(f.gitlab.count<patch_trace>(), 1);
  auto other = f.world.spawn_probe<coordinator_actor>();
  f.world.send(f.it, coordinator_changed{
                       {"c", caf::actor_cast<caf::actor>(other.handle)}});
  f.world.run_for(31s);
  CHECK_EQ(f.gitlab.count<patch_trace>(), 1);
  CHECK_GE(other.count<patch_trace>(), 1);
}

TEST_CASE("a trace stops with its job") {
  fixture f;
  f.world.stop(f.job.handle);
  auto before = f.gitlab.count<update_job>();
  f.world.run_for(5min);
  CHECK_EQ(f.gitlab.count<update_job>(), before);
}
