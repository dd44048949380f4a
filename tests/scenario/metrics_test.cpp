#include "actors/coordinator/coordinator.hpp"
#include "actors/group/group.hpp"
#include "actors/metrics/table.hpp"
#include "tests/scenario/job_peers.hpp"
#include "tests/support/exposition.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

runner_facts facts() {
  runner_facts out;
  out.token = "abcdefghi";
  out.name = "fleet";
  out.system_id = "s_1";
  return out;
}

struct counted_job : test::job_peers {
  metrics_table table{{"1.0", "abc", "main", 4}};

  counted_job() {
    setup.metrics = table.runner(facts());
    setup.payload.queue.waited_s = 2;
  }

  test::exposition shown() const {
    return test::exposition{table.text()};
  }

  double jobs(const char* state) const {
    return shown().sum("gitlab_runner_jobs",
                       {std::string{"state=\""} + state + "\""});
  }

  void end(plan_outcome how) {
    frames::job_ended x;
    x.record = record++;
    x.outcome = how;
    helper_says(x);
  }
};

/// A group whose provider, dialer, journal and runner the test plays.
struct counted_group {
  test::virtual_system world;
  test::probe<group_parent_actor> runner
    = world.spawn_probe<group_parent_actor>();
  test::probe<dialer_actor> dialer = world.spawn_probe<dialer_actor>();
  test::probe<journal_actor> journal = world.spawn_probe<journal_actor>();
  test::probe<provider_actor> provider;
  metrics_table table{{"1.0", "abc", "main", 4}};
  std::vector<cloud_instance> cloud;
  group_actor it;

  counted_group() {
    runner_config cfg;
    cfg.name = "r";
    cfg.token = secret{"glrt-abc"};
    cfg.autoscaler.emplace();
    cfg.autoscaler->max_instances = 5;
    cfg.autoscaler->policies.emplace_back();
    group_setup setup;
    setup.role = "group";
    setup.runner = std::make_shared<const runner_config>(cfg);
    setup.make_provider
      = [this](caf::local_actor*, const provider_parent_actor&) {
          provider = world.spawn_probe_now<provider_actor>();
          return provider.handle;
        };
    setup.parent = runner.handle;
    setup.dialer = dialer.handle;
    setup.journal = journal.handle;
    auto shared = std::make_shared<edges>();
    shared->unix_us = [] { return int64_t{1'790'000'000'000'000}; };
    setup.edge = shared;
    setup.metrics = table.runner(facts())->group();
    it = world.take(spawn_group(world.sys, std::move(setup)));
    provider_ready ready;
    ready.group = "g";
    ready.max_size = 100;
    world.send(it, ready);
    world.send(it, known_instances{"g", {}, {}});
    list();
  }

  void list() {
    world.run_for(2s);
    world.send(it, listing{provider.last<list_instances>().number, cloud, {}});
  }

  void connect() {
    auto ask = provider.last<get_connect_info>();
    world.send(as<provider_asker_actor>(ask.asker),
               connect_info_found{ask.instance, {}, {}});
    world.send(as<host_key_asker_actor>(ask.asker),
               host_key_found{ask.instance, "", {}});
    world.send(as<dial_asker_actor>(ask.asker),
               dialed{ask.instance, "key", {}});
  }

  double now(const std::string& name, const char* label) const {
    return test::exposition{table.text()}.sum(name, {label});
  }

  double instances(const char* state) const {
    return now("fleeting_provisioner_instances", state);
  }

  double tasks(const char* state) const {
    return now("fleeting_taskscaler_tasks", state);
  }

  double tasks_done(const char* what) const {
    return now("fleeting_taskscaler_task_operations_total", what);
  }
};

} // namespace

TEST_CASE("counts of jobs move as the job does") {
  counted_job f;
  CHECK_EQ(f.shown().sum("gitlab_runner_jobs"), 0);
  f.start();
  CHECK_EQ(f.jobs("running"), 1); // it waits for its slot
  CHECK_EQ(f.shown().sum("gitlab_runner_jobs", {R"(stage="prepare_executor")",
                                                R"(executor_stage="created")"}),
           1);
  CHECK_EQ(f.shown().sum("gitlab_runner_jobs_total"), 1);
  CHECK_EQ(f.shown().sum("gitlab_runner_job_queue_duration_seconds_count"), 1);
  CHECK_EQ(
    f.table.jobs_text().find("url=http://gitlab.test/group/demo/-/jobs/1 "), 0);
  f.gitlab_says(200);
  f.gets_slot();
  CHECK_EQ(f.shown().sum("gitlab_runner_jobs", {R"(executor_stage="prepare")"}),
           1);
  f.gets_route();
  f.start_is_written();
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  frames::stage_begun stage;
  stage.record = f.record++;
  stage.attempt = 1;
  f.helper_says(stage);
  CHECK_EQ(f.jobs("running"), 1);
  f.world.run_for(90s);
  f.world.send(f.it, job_ordered{job_order::aborted});
  f.end(plan_outcome::canceled);
  CHECK_EQ(f.jobs("canceled"), 1);
  auto x = f.shown();
  CHECK_EQ(x.sum("gitlab_runner_failed_jobs_total",
                 {R"(failure_reason="job_canceled")"}),
           1);
  CHECK_EQ(x.sum("gitlab_runner_job_duration_seconds_count"), 1);
  CHECK_GE(x.sum("gitlab_runner_job_duration_seconds_sum"), 90);
  CHECK_EQ(x.sum("fleeting_taskscaler_task_operations_total",
                 {R"(operation="release")"}),
           1);
}

TEST_CASE("a job whose actor dies is not shown any more") {
  counted_job f;
  f.start();
  SUBCASE("while it waits") {
  }
  SUBCASE("with a stream that is still open") {
    f.gitlab_says(200);
    f.gets_slot();
    f.gets_route();
    f.start_is_written();
    f.wire->last_stream().sink->opened();
    f.helper_says(frames::accepted{"k"});
  }
  CHECK_EQ(f.jobs("running"), 1);
  f.world.stop(f.it);
  CHECK_EQ(f.shown().sum("gitlab_runner_jobs"), 0);
}

TEST_CASE("a job that GitLab refuses at its acceptance ends as canceled") {
  counted_job f;
  f.start();
  f.gitlab_says(403);
  auto x = f.shown();
  CHECK_EQ(x.sum("gitlab_runner_job_duration_seconds_count"), 1);
  CHECK_EQ(x.sum("gitlab_runner_failed_jobs_total",
                 {R"(failure_reason="job_canceled")"}),
           1);
}

TEST_CASE("a job of an earlier manager is shown with all of its time") {
  counted_job f;
  f.configure([](runner_config& x) {
    x.feature_flags["FF_EXPORT_HIGH_CARDINALITY_METRICS"] = true;
  });
  constexpr int64_t minute = 60'000'000;
  f.setup.taken_us = *f.clock - 10 * minute;
  left_job left;
  left.key = f.setup.key;
  left.at = left_phase::started;
  left.instance = instance_id{f.instance};
  left.recipe.base_us = *f.clock - 9 * minute;
  left.recipe.socket_path = "/run/helper.sock";
  left.recipe.stages = {{"get_sources", "", stage_phase::sources, 1, true, {}},
                        {"step_script", "", stage_phase::step, 1, true, {}}};
  f.setup.left = left;
  f.start();
  f.gets_slot();
  f.gets_route();
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.helper_says(frames::stage_begun{f.record++, 0, 0, 1});
  f.helper_says(frames::stage_ended{f.record++, minute, 0, 1,
                                    plan_outcome::success, 0, ""});
  f.helper_says(frames::stage_begun{f.record++, minute, 1, 1});
  f.end(plan_outcome::success);
  auto x = f.shown();
  auto sum = [&x](const char* name) {
    return x.sum(std::string{"gitlab_runner_job_"} + name);
  };
  CHECK_EQ(sum("duration_seconds_sum"), 600);
  CHECK_EQ(sum("stage_duration_seconds_count"), 1);
  CHECK_GE(sum("stage_duration_seconds_sum"), 480);
  CHECK_LT(sum("stage_duration_seconds_sum"), 540);
}

TEST_CASE("requests that a coordinator takes along wait no longer") {
  test::virtual_system world;
  metrics_table table{{"1.0", "abc", "main", 4}};
  auto told = table.runner(facts());
  auto runner = world.spawn_idle();
  auto job = world.spawn_probe<update_asker_actor>();
  coordinator_setup setup;
  setup.metrics = told;
  setup.parent = runner.address();
  std::vector<test::probe<http_worker_actor>> workers; // which never answer
  setup.make_worker = [&](caf::local_actor*, const coordinator_actor&,
                          uint64_t) -> started_worker {
    workers.push_back(world.spawn_probe_now<http_worker_actor>());
    return {workers.back().handle, [] {}};
  };
  auto it = world.take(spawn_coordinator(world.sys, setup));
  for (int i = 0; i < 500; ++i) {
    update_job x;
    x.key = acquisition_key{std::to_string(i)};
    x.state = "success";
    x.asker = {"job", caf::actor_cast<caf::actor>(job.handle)};
    world.send(it, x);
  }
  auto depth = [&table] {
    return test::exposition{table.text()}.sum("muster_queue_depth",
                                              {R"(queue="gitlab_requests")"});
  };
  CHECK_GT(depth(), 100);
  world.stop(it);
  CHECK_EQ(depth(), 0);
}

TEST_CASE("counts of instances and slots move as a job is served") {
  counted_group f;
  CHECK_EQ(f.now("fleeting_provisioner_max_instances", "fleet"), 5);
  f.world.send(f.it, reserve{acquisition_key{"a"}});
  f.world.send(f.it, unreserve{acquisition_key{"b"}}); // not known: counts too
  CHECK_EQ(f.tasks("\"reserved\""), 1);
  auto job = f.world.spawn_probe<acquirer_actor>();
  f.world.send(f.it, acquire{acquisition_key{"a"},
                             900'000,
                             {"job", caf::actor_cast<caf::actor>(job.handle)},
                             false});
  CHECK_EQ(f.tasks("\"pending\""), 1);
  CHECK_EQ(f.instances("\"requested\""), 1);
  CHECK_EQ(f.now("muster_queue_high_water", R"(queue="acquires")"), 1);
  CHECK_EQ(f.now("fleeting_taskscaler_scale_operations_total", "\"up\""), 1);
  f.world.send(f.it, increased{1, 1, {}});
  f.cloud.push_back({instance_id{"i-1"}, cloud_state::creating});
  f.list();
  CHECK_EQ(f.instances("\"requested\""), 0);
  CHECK_EQ(f.instances("\"creating\""), 1);
  f.cloud.back().state = cloud_state::running;
  f.list();
  CHECK_EQ(f.instances("\"running\""), 1);
  f.connect();
  CHECK_EQ(f.tasks("\"acquired\""), 1);
  CHECK_EQ(f.tasks("\"pending\""), 0);
  CHECK_EQ(f.tasks_done("\"acquire\""), 1);
  CHECK_EQ(f.tasks_done("\"reserve\""), 1);
  CHECK_EQ(f.tasks_done("\"unreserve\""), 1);
  for (const auto* name :
       {"fleeting_provisioner_instance_creation_time_seconds_count",
        "fleeting_provisioner_instance_is_running_time_seconds_count",
        "fleeting_taskscaler_task_instance_readiness_time_seconds_count"})
    CHECK_EQ(f.now(name, "fleet"), 1);
  f.cloud.clear();
  for (int i = 0; i < 6; ++i)
    f.list();
  CHECK_EQ(f.now("fleeting_provisioner_missed_updates_total", "fleet"), 6);
  CHECK_EQ(
    f.now("fleeting_provisioner_instance_operations_total", "\"delete\""), 1);
  CHECK_EQ(f.instances("\"running\""), 0);
}

TEST_CASE("a group that ends shows nothing any more, whatever timers it has") {
  counted_group f;
  f.cloud.push_back({instance_id{"i-1"}, cloud_state::running});
  f.list();
  CHECK_EQ(f.instances("\"running\""), 1);
  f.world.stop(f.it);
  CHECK_EQ(f.instances("\"running\""), 0);
}

TEST_CASE("what a group refuses is counted by its kind") {
  counted_group f;
  for (const auto* key : {"a", "b", "c", "d", "e", "f"})
    f.world.send(f.it, reserve{acquisition_key{key}});
  CHECK_EQ(f.tasks_done("\"reserve\""), 5);
  CHECK_EQ(f.tasks_done("\"reserve_iop_capacity_failure\""), 1);
  auto job = f.world.spawn_probe<acquirer_actor>();
  peer asker{"job", caf::actor_cast<caf::actor>(job.handle)};
  f.world.send(f.it, acquire{acquisition_key{"none"}, 1'000, asker, false});
  CHECK_EQ(f.tasks_done("\"acquire_capacity_failure\""), 1);
  f.world.send(f.it, acquire{acquisition_key{"a"}, 1'000, asker, false});
  f.world.run_for(3s);
  CHECK_EQ(f.tasks_done("\"acquire_timeout\""), 1);
}
