#include "actors/runner/runner.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// A runner with its own group and coordinator; the cloud, GitLab, the manager
/// and the journal are the test's.
struct fixture {
  test::virtual_system world;
  std::shared_ptr<runner_config> cfg = std::make_shared<runner_config>();
  test::probe<manager_actor> manager = world.spawn_probe<manager_actor>();
  test::probe<dialer_actor> dialer = world.spawn_probe<dialer_actor>();
  test::probe<journal_actor> journal = world.spawn_probe<journal_actor>();
  std::vector<test::probe<provider_actor>> providers;
  std::vector<test::probe<http_worker_actor>> workers;
  runner_actor it;
  int64_t jobs_made = 0;

  fixture() {
    cfg->name = "r";
    cfg->url = "http://gitlab.test";
    cfg->token = secret{"glrt-abcdefghijkl"};
    cfg->autoscaler.emplace();
    cfg->autoscaler->max_instances = 4;
    cfg->autoscaler->policies.emplace_back();
  }

  void start() {
    runner_setup setup;
    setup.id = runner_id{"r"};
    setup.config = cfg;
    setup.run_id = "x";
    setup.make_provider
      = [this](caf::local_actor*, const provider_parent_actor&) {
          providers.push_back(world.spawn_probe_now<provider_actor>());
          return providers.back().handle;
        };
    setup.make_worker
      = [this](caf::local_actor*, const coordinator_actor& parent,
               uint64_t) -> started_worker {
      coordinator_seen = parent;
      workers.push_back(world.spawn_probe_now<http_worker_actor>());
      return {workers.back().handle, [] {}};
    };
    setup.parent = manager.handle;
    setup.dialer = dialer.handle;
    setup.journal = journal.handle;
    auto shared = std::make_shared<edges>();
    shared->wire = std::make_shared<test::scripted_transport>();
    shared->traces = std::make_shared<trace_shelf>();
    shared->unix_us = [] { return int64_t{1'790'000'000'000'000}; };
    shared->temp_dir = "/tmp";
    setup.edge = shared;
    it = world.spawn(runner, setup);
  }

  void begin() {
    start();
    make_group_ready();
  }

  void make_group_ready() {
    auto group = as<provider_parent_actor>(
      providers.back().last<start_provider>().asker);
    provider_ready ready;
    ready.group = "g";
    ready.max_size = 100;
    world.send(group, ready);
    world.send(as<instances_asker_actor>(journal.last<read_instances>().asker),
               known_instances{"g", {}, {}});
    world.run_for(2s);
    world.send(group,
               listing{providers.back().last<list_instances>().number, {}, {}});
    world.run_for(1ms);
  }

  void give_permit() {
    world.send(it, permit{});
  }

  size_t polls() const {
    size_t n = 0;
    for (const auto& x : workers)
      n += x.count<request_job>();
    return n;
  }

  /// Answers the poll that is out.
  job_offer answer_poll(int status) {
    job_offer x;
    x.info.status = status;
    for (size_t i = 0; i < workers.size(); ++i) {
      if (workers[i].count<request_job>() == 0)
        continue;
      x.key = workers[i].last<request_job>().key;
      workers[i].clear();
      if (status == 201)
        x.jobs.push_back(new_job());
      world.send(it, x);
      world.send(coordinator_seen, worker_free{i + 1});
      break;
    }
    return x;
  }

  job_payload new_job() {
    job_payload payload;
    payload.id = ++jobs_made;
    payload.token = secret{"glcbt-job-token"};
    payload.steps = {{"script", {"true"}}};
    return payload;
  }

  coordinator_actor coordinator_seen;
};

} // namespace

TEST_CASE("GitLab is asked only with a permit and with capacity") {
  fixture f;
  f.start();
  CHECK_EQ(f.manager.count<permit_request>(), 0); // the group is not ready
  f.make_group_ready();
  CHECK_EQ(f.manager.count<permit_request>(), 1);
  CHECK_EQ(f.polls(), 0);
  f.give_permit();
  CHECK_EQ(f.polls(), 1);
}

TEST_CASE("no capacity gives the permit back and asks nobody") {
  fixture f;
  f.cfg->autoscaler->policies[0].idle_count = 1; // preemptive: none idle yet
  f.begin();
  f.give_permit();
  CHECK_EQ(f.polls(), 0);
  CHECK_EQ(f.manager.count<permit_back>(), 1);
}

TEST_CASE("a job is started only when it is written down") {
  fixture f;
  f.begin();
  f.give_permit();
  auto offer = f.answer_poll(201);
  REQUIRE_EQ(f.journal.count<write_job>(), 1);
  CHECK_EQ(f.journal.last<write_job>().key, offer.key);
  size_t accepted = 0;
  for (const auto& x : f.workers)
    accepted += x.count<update_job>();
  CHECK_EQ(accepted, 0);
  f.world.send(f.it, job_written{offer.key, {}});
  for (const auto& x : f.workers)
    accepted += x.count<update_job>();
  CHECK_EQ(accepted, 1);
  CHECK_EQ(f.manager.count<permit_back>(), 0);
}

TEST_CASE("a job that cannot be written down is failed for GitLab to retry") {
  fixture f;
  f.begin();
  f.give_permit();
  auto offer = f.answer_poll(201);
  f.world.send(f.it, job_written{offer.key, error_of(journal_errc::not_writable,
                                                     "no space left")});
  update_job told;
  for (const auto& x : f.workers)
    if (x.count<update_job>() > 0)
      told = x.last<update_job>();
  CHECK_EQ(told.state, "failed");
  CHECK_EQ(told.failure_reason, "runner_system_failure");
  CHECK_EQ(f.manager.count<permit_back>(), 1);
}

TEST_CASE("after a job the next one is asked for at once") {
  fixture f;
  f.begin();
  f.give_permit();
  auto asked = f.manager.count<permit_request>();
  f.answer_poll(201);
  f.world.run_for(1ms);
  CHECK_EQ(f.manager.count<permit_request>(), asked + 1);
}

TEST_CASE("an idle runner asks ever more rarely, up to check_interval") {
  fixture f;
  f.begin();
  size_t answered = 0;
  auto idle = [&](std::chrono::seconds span) {
    auto before = f.manager.count<permit_request>();
    for (int i = 0; i < span.count() * 20; ++i) {
      if (f.manager.count<permit_request>() > answered) {
        answered = f.manager.count<permit_request>();
        f.give_permit();
        f.answer_poll(204);
      }
      f.world.run_for(50ms);
    }
    return f.manager.count<permit_request>() - before;
  };
  idle(40s);
  auto per_minute = idle(60s);
  CHECK_GE(per_minute, 1);
  CHECK_LE(per_minute, 21);
}

TEST_CASE("limit counts jobs and polls together") {
  fixture f;
  f.cfg->limit = 1;
  f.begin();
  f.give_permit();
  auto offer = f.answer_poll(201);
  f.world.send(f.it, job_written{offer.key, {}});
  f.world.run_for(10s);
  CHECK_EQ(f.manager.count<permit_request>(), 1);
}

TEST_CASE("a runner that GitLab refuses three times is silent for an hour") {
  fixture f;
  f.begin();
  for (int i = 0; i < 3; ++i) {
    f.give_permit();
    f.answer_poll(403);
    f.world.run_for(31s);
  }
  auto asked = f.manager.count<permit_request>();
  f.world.run_for(50min);
  CHECK_EQ(f.manager.count<permit_request>(), asked);
  f.world.run_for(15min);
  CHECK_GT(f.manager.count<permit_request>(), asked);
}

TEST_CASE("jobs that an earlier manager left are told to GitLab") {
  fixture f;
  f.begin();
  left_jobs left;
  left.jobs.push_back(
    {acquisition_key{"old"}, 7, secret{"t"}, false, false, 0, ""});
  f.world.send(f.it, left);
  update_job told;
  for (const auto& x : f.workers)
    if (x.count<update_job>() > 0)
      told = x.last<update_job>();
  CHECK_EQ(told.job, 7);
  CHECK_EQ(told.state, "failed");
  CHECK_EQ(told.failure_reason, "runner_system_failure");
  update_result done;
  done.key = acquisition_key{"old"};
  done.info.status = 200;
  f.world.send(f.it, done);
  CHECK_EQ(f.journal.last<forget_job>().key, acquisition_key{"old"});
}

TEST_CASE("a dead group is started again and no polls go out before it is "
          "ready") {
  fixture f;
  f.begin();
  auto asked = f.manager.count<permit_request>();
  auto group = f.providers.back().last<start_provider>().asker.handle;
  f.world.stop(group);
  f.give_permit();
  CHECK_EQ(f.polls(), 0);
  CHECK_EQ(f.manager.count<permit_back>(), 1);
  f.world.run_for(5s);
  REQUIRE_EQ(f.providers.size(), 2);
  CHECK_EQ(f.manager.count<permit_request>(), asked);
  f.make_group_ready();
  CHECK_GT(f.manager.count<permit_request>(), asked);
}

TEST_CASE("a graceful stop waits for the jobs, then for the group") {
  fixture f;
  f.begin();
  f.give_permit();
  auto offer = f.answer_poll(201);
  f.world.send(f.it, job_written{offer.key, {}});
  f.world.send(f.it, stop_runner{stop_mode::graceful});
  f.world.run_for(10s);
  CHECK_EQ(f.manager.count<runner_stopped>(), 0);
  f.world.send(f.it, job_ended{offer.key, 1, true, ""});
  f.world.run_for(1s);
  CHECK_EQ(f.manager.count<runner_stopped>(), 1);
}

TEST_CASE("an idle runner stops at once") {
  fixture f;
  f.begin();
  f.world.send(f.it, stop_runner{stop_mode::term});
  f.world.run_for(1s);
  CHECK_EQ(f.manager.count<runner_stopped>(), 1);
}

TEST_CASE("a runner stops with its manager") {
  fixture f;
  f.begin();
  f.world.stop(f.manager.handle);
  f.give_permit();
  CHECK_EQ(f.polls(), 0);
}
