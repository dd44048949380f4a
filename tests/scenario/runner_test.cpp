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
  std::shared_ptr<int64_t> wall = std::make_shared<int64_t>(1'790'000'000);
  int jobs_max = 0;
  std::chrono::seconds idle_max{0};
  std::shared_ptr<runner_metrics> metrics = std::make_shared<runner_metrics>();

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
    setup.jobs_max = jobs_max;
    setup.idle_max = idle_max;
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
    shared->unix_us = [now = wall] { return *now * 1'000'000; };
    shared->temp_dir = "/tmp";
    setup.edge = shared;
    setup.metrics = metrics;
    it = world.take(spawn_runner(world.sys, setup));
  }

  void read_journal(std::vector<left_job> jobs = {}) {
    world.send(it, left_jobs{std::move(jobs), {}});
  }

  void begin() {
    start();
    read_journal();
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

  /// How often something was asked for about the token.
  size_t asked_for(token_task what) const {
    size_t n = 0;
    for (const auto& x : workers)
      for (const auto& y : x.all<tend_token>())
        n += y.what == what ? 1 : 0;
    return n;
  }

  /// Answers the last question about the token.
  void answer_token(token_state x) {
    for (size_t i = 0; i < workers.size(); ++i)
      world.send(coordinator_seen, worker_free{i + 1});
    world.send(it, std::move(x));
  }

  token_state token(const char* text, int64_t expires_in) const {
    token_state x;
    x.token = secret{text};
    x.obtained_at = *wall;
    x.expires_at = *wall + expires_in;
    return x;
  }

  coordinator_actor coordinator_seen;
};

} // namespace

TEST_CASE("GitLab is asked only with a permit and with capacity") {
  fixture f;
  f.start();
  CHECK(f.providers.empty()); // jobs that hold slots come first
  f.read_journal();
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

namespace {

/// Writes down what is counted of jobs.
struct counted_failures : runner_metrics {
  std::vector<std::string> seen;

  void happened(runner_event x) override {
    if (x == runner_event::job_refused)
      seen.emplace_back("refused");
  }

  void job_failed(int64_t job, const std::string& reason) override {
    seen.push_back(std::to_string(job) + " " + reason);
  }

  void job_over(int64_t job) override {
    seen.push_back(std::to_string(job) + " over");
  }

  void requests(int out, int) override {
    requests_out = out;
  }

  int requests_out = -1;
};

} // namespace

TEST_CASE("each failure of a job is counted once") {
  fixture f;
  auto counted = std::make_shared<counted_failures>();
  f.metrics = counted;
  f.begin();
  f.give_permit();
  auto offer = f.answer_poll(201);
  SUBCASE("one that cannot be written down") {
    f.world.send(
      f.it, job_written{offer.key,
                        error_of(journal_errc::not_writable, "no space left")});
    CHECK_EQ(counted->seen, std::vector<std::string>{"refused"});
  }
  SUBCASE("one whose actor is lost") {
    f.world.send(f.it, job_written{offer.key, {}});
    update_job accepted;
    for (const auto& x : f.workers)
      if (x.count<update_job>() > 0)
        accepted = x.last<update_job>();
    REQUIRE(accepted.asker.handle);
    f.world.stop(accepted.asker.handle);
    CHECK_EQ(counted->seen,
             std::vector<std::string>{"1 runner_system_failure", "1 over"});
  }
}

TEST_CASE("a runner that begins has no request out, whatever one before had") {
  fixture f;
  auto counted = std::make_shared<counted_failures>();
  counted->requests_out = 3;
  f.metrics = counted;
  f.start();
  CHECK_EQ(counted->requests_out, 0);
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

namespace {

left_job left(left_phase at) {
  left_job x;
  x.key = acquisition_key{"old"};
  x.at = at;
  x.payload.id = 7;
  x.payload.token = secret{"t"};
  return x;
}

update_job last_update(const fixture& f) {
  update_job told;
  for (const auto& x : f.workers)
    if (x.count<update_job>() > 0)
      told = x.last<update_job>();
  return told;
}

} // namespace

TEST_CASE("a result that an earlier manager left is told until it is settled, "
          "and its slot is cleaned") {
  fixture f;
  f.start();
  auto old = left(left_phase::ended);
  old.instance = instance_id{"i-1"};
  old.exit_code = 3;
  old.failure_reason = "script_failure";
  f.read_journal({old});
  auto told = last_update(f);
  CHECK_EQ(told.job, 7);
  CHECK_EQ(told.state, "failed");
  CHECK_EQ(told.failure_reason, "script_failure");
  CHECK_EQ(told.exit_code, 3);
  CHECK_EQ(f.manager.count<permits_taken>(), 0);
  update_result done;
  done.key = old.key;
  done.info.status = 500;
  f.world.send(f.it, done);
  CHECK_EQ(f.journal.count<forget_job>(), 0);
  done.info.status = 200;
  f.world.send(f.it, done);
  CHECK_EQ(f.journal.last<forget_job>().key, old.key);
}

TEST_CASE("a job of which nothing usable is written fails by the system") {
  fixture f;
  f.start();
  f.read_journal({left(left_phase::lost)});
  CHECK_EQ(last_update(f).job, 7);
  CHECK_EQ(last_update(f).failure_reason, "runner_system_failure");
}

TEST_CASE("a job whose token is lost is forgotten, and GitLab asked nothing") {
  fixture f;
  f.start();
  auto old = left(left_phase::ended);
  old.payload.token = {};
  f.read_journal({old});
  CHECK_EQ(last_update(f).job, 0);
  CHECK_EQ(f.journal.last<forget_job>().key, old.key);
}

TEST_CASE("jobs that an earlier manager left go on, and count as jobs") {
  fixture f;
  f.cfg->limit = 2;
  f.start();
  auto one = left(left_phase::waiting);
  one.payload.steps = {{"script", {"true"}}};
  auto other = left(left_phase::started);
  other.key = acquisition_key{"older"};
  other.payload.id = 8;
  other.instance = instance_id{"i-1"};
  other.recipe.socket_path = "/run/helper.sock";
  f.read_journal({one, other});
  CHECK_EQ(f.manager.last<permits_taken>().count, 2);
  CHECK_EQ(f.dialer.last<open_stream>().key, other.key);
  CHECK_EQ(last_update(f).job, 7);
  CHECK_EQ(last_update(f).state, "running");
  f.make_group_ready();
  CHECK_EQ(f.manager.count<permit_request>(), 0); // limit
  f.world.send(f.it, job_ended{one.key, 7, true, ""});
  f.world.run_for(1s);
  CHECK_EQ(f.manager.count<permit_back>(), 1);
  CHECK_EQ(f.manager.count<permit_request>(), 1);
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

TEST_CASE(
  "a token is rotated in time, and the runner goes on with the new one") {
  fixture f;
  f.begin();
  CHECK_EQ(f.asked_for(token_task::tell), 1);
  f.answer_token(f.token("glrt-abcdefghijkl", 40'000));
  *f.wall += 29'000;
  f.world.run_for(2h);
  CHECK_EQ(f.asked_for(token_task::rotate), 0);
  *f.wall += 1'001;
  f.world.run_for(61min);
  CHECK_EQ(f.asked_for(token_task::rotate), 1);
  auto fresh = f.token("glrt-newnewnewnew", 40'000);
  fresh.what = token_task::rotate;
  f.answer_token(fresh);
  CHECK_EQ(f.journal.count<rename_runner>(), 0); // it has no jobs
  f.world.run_for(2h);
  CHECK_EQ(f.asked_for(token_task::rotate), 1);
  // Nothing else has changed: no group is lost, and jobs are taken.
  CHECK_EQ(f.providers.size(), 1);
  f.give_permit();
  f.answer_poll(201);
  auto job = f.journal.last<write_job>();
  CHECK_EQ(job.runner, "http://gitlab.test|newnewnew");
  f.answer_token(f.token("glrt-otherothers", 40'000));
  auto renamed = f.journal.last<rename_runner>();
  CHECK_EQ(renamed.from, "http://gitlab.test|newnewnew");
  CHECK_EQ(renamed.to, "http://gitlab.test|otherothe");
  CHECK_EQ(renamed.jobs, std::vector{job.key});
}

TEST_CASE("a runner with an id keeps its name in the journal") {
  fixture f;
  f.cfg->id = 42;
  f.begin();
  f.answer_token(f.token("glrt-newnewnewnew", 40'000));
  CHECK_EQ(f.journal.count<rename_runner>(), 0);
  f.give_permit();
  f.answer_poll(201);
  CHECK_EQ(f.journal.last<write_job>().runner, "http://gitlab.test|#42");
}

TEST_CASE("a rotation that fails is tried again, ever more rarely") {
  fixture f;
  f.begin();
  f.answer_token(f.token("glrt-abcdefghijkl", 4'000));
  *f.wall += 3'500;
  f.world.run_for(61min);
  REQUIRE_EQ(f.asked_for(token_task::rotate), 1);
  auto refused = f.token("glrt-abcdefghijkl", 500);
  refused.what = token_task::rotate;
  refused.obtained_at -= 3'500;
  refused.info.text = "500";
  f.answer_token(refused);
  f.world.run_for(59s);
  CHECK_EQ(f.asked_for(token_task::rotate), 1);
  f.world.run_for(2s);
  CHECK_EQ(f.asked_for(token_task::rotate), 2);
  f.answer_token(refused);
  f.world.run_for(119s);
  CHECK_EQ(f.asked_for(token_task::rotate), 2);
  f.world.run_for(2s);
  CHECK_EQ(f.asked_for(token_task::rotate), 3);
}

TEST_CASE("a new token that cannot be written is written later") {
  fixture f;
  f.begin();
  auto unsaved = f.token("glrt-newnewnewnew", 40'000);
  unsaved.is_saved = false;
  f.answer_token(unsaved); // left by an earlier manager
  f.world.run_for(1s);
  REQUIRE_EQ(f.asked_for(token_task::save), 1);
  unsaved.what = token_task::save;
  unsaved.save_failure = "disk full";
  f.answer_token(unsaved);
  f.world.run_for(59s);
  CHECK_EQ(f.asked_for(token_task::save), 1);
  f.world.run_for(2s);
  REQUIRE_EQ(f.asked_for(token_task::save), 2);
  unsaved.is_saved = true;
  unsaved.save_failure = "";
  f.answer_token(unsaved);
  f.world.run_for(24h);
  CHECK_EQ(f.asked_for(token_task::save), 2);
}

TEST_CASE("a token that may not or cannot be rotated is left alone") {
  fixture f;
  SUBCASE("by the flag") {
    f.cfg->feature_flags["FF_DISABLE_AUTOMATIC_TOKEN_ROTATION"] = true;
  }
  SUBCASE("since it comes from the environment") {
  }
  f.begin();
  auto token = f.token("glrt-abcdefghijkl", 4'000);
  token.is_literal = !f.cfg->feature_flags.empty();
  f.answer_token(token);
  *f.wall += 10'000;
  f.world.run_for(48h);
  CHECK_EQ(f.asked_for(token_task::rotate), 0);
}

TEST_CASE("a single runner ends after the jobs that were asked for") {
  fixture f;
  f.jobs_max = 1;
  f.begin();
  f.give_permit();
  auto offer = f.answer_poll(201);
  f.world.send(f.it, job_written{offer.key, {}});
  auto asked = f.manager.count<permit_request>();
  f.world.run_for(10s);
  CHECK_EQ(f.manager.count<permit_request>(), asked);
  CHECK_EQ(f.manager.count<shutdown_request>(), 0);
  f.world.send(f.it, job_ended{offer.key, 1, true, ""});
  CHECK_EQ(f.manager.last<shutdown_request>().mode, stop_mode::graceful);
  CHECK_EQ(f.manager.count<shutdown_request>(), 1);
}

TEST_CASE("a single runner ends when it had no job for long") {
  fixture f;
  f.idle_max = 30s;
  f.begin();
  f.give_permit();
  auto offer = f.answer_poll(201);
  f.world.send(f.it, job_written{offer.key, {}});
  f.world.run_for(5min);
  CHECK_EQ(f.manager.count<shutdown_request>(), 0);
  f.world.send(f.it, job_ended{offer.key, 1, true, ""});
  f.world.run_for(29s);
  CHECK_EQ(f.manager.count<shutdown_request>(), 0);
  f.world.run_for(2s);
  CHECK_EQ(f.manager.count<shutdown_request>(), 1);
}

TEST_CASE("results that cannot be told are told again, ever more rarely") {
  fixture f;
  f.begin();
  auto old = left(left_phase::ended);
  old.success = true;
  f.world.send(f.it, left_jobs{{old}, {}});
  auto told = [&f] {
    size_t n = 0;
    for (const auto& x : f.workers)
      n += x.count<update_job>();
    return n;
  };
  auto refuse = [&f](int64_t retry_after_ms) {
    for (size_t i = 0; i < f.workers.size(); ++i)
      f.world.send(f.coordinator_seen, worker_free{i + 1});
    update_result x;
    x.key = acquisition_key{"old"};
    x.info.status = 503;
    x.info.retry_after_ms = retry_after_ms;
    f.world.send(f.it, x);
  };
  REQUIRE_EQ(told(), 1);
  refuse(0);
  f.world.run_for(11s);
  REQUIRE_EQ(told(), 2);
  refuse(0);
  f.world.run_for(19s);
  CHECK_EQ(told(), 2);
  f.world.run_for(2s);
  REQUIRE_EQ(told(), 3);
  refuse(300'000);
  f.world.run_for(299s);
  CHECK_EQ(told(), 3);
  f.world.run_for(2s);
  CHECK_EQ(told(), 4);
}

TEST_CASE(
  "a GitLab that is away for twenty minutes is found back in a minute") {
  fixture f;
  f.begin();
  size_t permits = 0;
  size_t requests = 0;
  /// Lets a second pass; answers what was asked in it with `status`.
  auto second = [&](int status) {
    if (f.manager.count<permit_request>() > permits) {
      ++permits;
      f.give_permit();
    }
    auto asked = f.polls() > 0;
    if (asked) {
      ++requests;
      f.answer_poll(status);
    }
    f.world.run_for(1s);
    return asked;
  };
  for (auto i = 0; i < 20 * 60; ++i) {
    second(0);
    // Neither a permit nor room in the group is held meanwhile.
    CHECK_EQ(f.manager.count<permit_back>(), requests);
  }
  CHECK_GT(requests, 20);
  CHECK_LT(requests, 100);
  auto seconds = 0;
  while (!second(201) && seconds < 100)
    ++seconds;
  CHECK_LE(seconds, 60);
  CHECK_EQ(f.journal.count<write_job>(), 1);
}

TEST_CASE("a storm of 429s is waited out, as GitLab wishes") {
  fixture f;
  f.cfg->request_concurrency = 4;
  f.begin();
  f.give_permit();
  job_offer storm;
  storm.info.status = 429;
  storm.info.retriable = true;
  storm.info.retry_after_ms = 120'000;
  for (auto i = 0; i < 5; ++i) {
    REQUIRE_EQ(f.polls(), 1);
    for (size_t w = 0; w < f.workers.size(); ++w)
      if (f.workers[w].count<request_job>() > 0) {
        storm.key = f.workers[w].last<request_job>().key;
        f.workers[w].clear();
        f.world.send(f.coordinator_seen, worker_free{w + 1});
      }
    auto asked = f.manager.count<permit_request>();
    f.world.send(f.it, storm);
    f.world.run_for(119s);
    CHECK_EQ(f.manager.count<permit_request>(), asked);
    f.world.run_for(2s);
    CHECK_EQ(f.manager.count<permit_request>(), asked + 1);
    f.give_permit();
  }
}
