#include "actors/manager/manager.hpp"
#include "config/journal_name.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/support/virtual_system.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// A manager whose configuration is changed while it runs. GitLab, the clouds
/// and the journal are the test's; runners, groups and jobs are real.
struct fixture {
  test::virtual_system world;
  test::probe<journal_actor> journal;
  /// Of each group, in the order in which they were started.
  std::map<std::string, std::vector<test::probe<provider_actor>>> providers;
  std::vector<std::string> plugin_configs; ///< of all of them
  /// HTTP workers by the token that they were made for.
  std::map<std::string, std::vector<test::probe<http_worker_actor>>> workers;
  std::map<std::string, std::vector<coordinator_actor>> parents;
  std::shared_ptr<newest<read_config>> board
    = std::make_shared<newest<read_config>>();
  config file;
  size_t left_out = 0;
  manager_actor it;
  std::vector<caf::error> ends;

  fixture() {
    file.path = "config.toml";
    file.concurrent = 4;
    file.runners = {runner("a", "glrt-a", "g")};
  }

  static runner_config runner(const char* name, const char* token,
                              const char* group) {
    runner_config x;
    x.name = name;
    x.url = "http://gitlab.test";
    x.token = secret{token};
    x.autoscaler.emplace();
    x.autoscaler->plugin = "p";
    x.autoscaler->group_name = group;
    x.autoscaler->max_instances = 4;
    policy_config policy;
    policy.idle_time = 60s;
    x.autoscaler->policies = {policy};
    return x;
  }

  autoscaler_config& scaler() {
    return *file.runners[0].autoscaler;
  }

  equip_runner equipper(const runner_config& x) {
    return [this, x](const runner_parts*) {
      runner_parts out;
      out.id = runner_id{short_token(x.token)};
      out.config = std::make_shared<const runner_config>(x);
      auto group = x.autoscaler->group_name;
      auto settings = x.autoscaler->plugin_config_json;
      out.make_provider = [this, group, settings](
                            caf::local_actor*, const provider_parent_actor&) {
        plugin_configs.push_back(settings);
        providers[group].push_back(world.spawn_probe_now<provider_actor>());
        return providers[group].back().handle;
      };
      auto token = x.token.reveal();
      out.make_worker
        = [this, token](caf::local_actor*, const coordinator_actor& parent,
                        uint64_t) -> started_worker {
        parents[token].push_back(parent);
        workers[token].push_back(world.spawn_probe_now<http_worker_actor>());
        return {workers[token].back().handle, [] {}};
      };
      return out;
    };
  }

  void start() {
    manager_setup setup;
    setup.file = file;
    setup.file.runners.clear();
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
    shared->temp_dir = "/tmp";
    setup.edge = shared;
    setup.reread = board;
    for (const auto& x : file.runners)
      setup.runners.push_back(equipper(x)(nullptr));
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

  /// The file is as `file` has it now.
  void reload(bool asked = false) {
    give();
    world.send(it, config_read{asked});
  }

  void give() {
    auto out = std::make_shared<read_config>();
    out->value = file;
    out->left_out = left_out;
    for (const auto& x : file.runners)
      out->equip.push_back(equipper(x));
    board->give(out);
  }

  /// Answers what runners asked the journal since the last time.
  void answer_journal() {
    auto asked = journal.all<read_jobs>();
    for (; answered_ < asked.size(); ++answered_)
      world.send(as<journal_asker_actor>(asked[answered_].asker), left_jobs{});
  }

  test::probe<provider_actor>& provider(const std::string& group) {
    return providers.at(group).back();
  }

  provider_parent_actor group_of(const std::string& group) {
    return as<provider_parent_actor>(
      provider(group).last<start_provider>().asker);
  }

  /// What the newest provider of a group says of itself.
  void says(const std::string& group, const std::string& id,
            const caf::error& why = {}) {
    provider_ready ready;
    ready.group = id;
    ready.max_size = 100;
    ready.why = why;
    world.send(group_of(group), ready);
  }

  void make_ready(const std::string& group) {
    says(group, group);
    world.send(as<instances_asker_actor>(journal.last<read_instances>().asker),
               known_instances{group, {}, {}});
    list(group);
  }

  void list(const std::string& group,
            const std::vector<cloud_instance>& found = {}) {
    world.run_for(2s);
    world.send(
      group_of(group),
      listing{provider(group).last<list_instances>().number, found, {}});
    world.run_for(1ms);
  }

  void begin() {
    start();
    answer_journal();
    for (const auto& x : file.runners)
      make_ready(x.autoscaler->group_name);
  }

  size_t polls(const std::string& token) {
    size_t n = 0;
    for (const auto& x : workers[token])
      n += x.count<request_job>();
    return n;
  }

  request_job last_poll(const std::string& token) {
    request_job found;
    for (const auto& x : workers[token])
      if (x.count<request_job>() > 0)
        found = x.last<request_job>();
    REQUIRE(found.asker.handle);
    return found;
  }

  /// Gives a runner a job, up to where it waits for a slot.
  acquisition_key gives_job(const std::string& token) {
    auto& made = workers[token];
    for (size_t i = 0; i < made.size(); ++i) {
      if (made[i].count<request_job>() == 0)
        continue;
      auto asked = made[i].last<request_job>();
      made[i].clear();
      job_offer offer;
      offer.key = asked.key;
      offer.info.status = 201;
      job_payload payload;
      payload.id = ++jobs_;
      payload.token = secret{"glcbt-t"};
      payload.steps = {{"script", {"true"}}};
      offer.jobs = {payload};
      world.send(as<offer_asker_actor>(asked.asker), offer);
      auto written = journal.last<write_job>();
      world.send(as<journal_asker_actor>(written.asker),
                 job_written{written.key, {}});
      return written.key;
    }
    return {};
  }

  int wanted(const std::string& group) {
    int n = 0;
    for (const auto& x : provider(group).all<increase>())
      n += x.count;
    return n;
  }

  int64_t jobs_ = 0;
  size_t answered_ = 0;
};

} // namespace

TEST_CASE("another idle_count makes the running group grow") {
  fixture f;
  f.begin();
  CHECK_EQ(f.wanted("g"), 0);
  f.scaler().policies[0].idle_count = 2;
  f.reload();
  CHECK_EQ(f.wanted("g"), 2);
  CHECK_EQ(f.providers["g"].size(), 1);
  CHECK_EQ(f.journal.count<read_jobs>(), 1);
}

TEST_CASE("a storm of reloads without a change changes nothing") {
  fixture f;
  f.begin();
  auto asked = f.workers["glrt-a"].size();
  for (int i = 0; i < 100; ++i)
    f.reload(true);
  CHECK_EQ(f.providers["g"].size(), 1);
  CHECK_EQ(f.journal.count<read_jobs>(), 1);
  CHECK_EQ(f.workers["glrt-a"].size(), asked);
}

TEST_CASE("rotated token, other name, other place: one scaler each") {
  fixture f;
  f.file.runners.push_back(fixture::runner("b", "glrt-b", "h"));
  f.begin();
  auto key = f.gives_job("glrt-a");
  REQUIRE(!key.empty());
  std::swap(f.file.runners[0], f.file.runners[1]);
  f.file.runners[1].token = secret{"glrt-z"};
  f.file.runners[1].name = "z";
  f.reload();
  f.answer_journal();
  CHECK_EQ(f.providers["g"].size(), 1);
  CHECK_EQ(f.providers["h"].size(), 1);
  // It asks with the new token, its job is known by it.
  f.world.run_for(5s);
  CHECK_GT(f.polls("glrt-z"), 0);
  auto renamed = f.journal.last<rename_runner>();
  CHECK_EQ(renamed.from, "http://gitlab.test|a");
  CHECK_EQ(renamed.to, "http://gitlab.test|z");
  CHECK_EQ(renamed.jobs, std::vector{key});
  CHECK_EQ(f.journal.count<forget_job>(), 0);
}

TEST_CASE("an answer to a request of the old token is taken all the same") {
  fixture f;
  f.begin();
  REQUIRE_GT(f.polls("glrt-a"), 0);
  f.file.runners[0].token = secret{"glrt-z"};
  f.reload();
  CHECK(!f.gives_job("glrt-a").empty());
  CHECK_EQ(f.journal.last<write_job>().runner, "http://gitlab.test|z");
}

TEST_CASE("concurrent below the running jobs ends none, and takes no more") {
  fixture f;
  f.begin();
  for (int i = 0; i < 2; ++i) {
    REQUIRE(!f.gives_job("glrt-a").empty());
    f.world.run_for(3s);
  }
  f.file.concurrent = 1;
  f.reload();
  f.gives_job("glrt-a"); // the request that was out already
  f.world.run_for(60s);
  CHECK_EQ(f.polls("glrt-a"), 0);
  CHECK_EQ(f.journal.count<write_job_result>(), 0);
  f.file.concurrent = 4;
  f.reload();
  f.world.run_for(5s);
  CHECK_EQ(f.polls("glrt-a"), 1);
}

TEST_CASE("a new runner starts as at the start") {
  fixture f;
  f.begin();
  f.file.runners.push_back(fixture::runner("b", "glrt-b", "h"));
  f.reload();
  f.answer_journal();
  REQUIRE_EQ(f.providers["h"].size(), 1);
  f.make_ready("h");
  CHECK_EQ(f.polls("glrt-b"), 1);
}

TEST_CASE("a second runner on a group is not served") {
  fixture f;
  f.begin();
  f.file.runners.push_back(fixture::runner("b", "glrt-b", "g"));
  f.reload();
  f.answer_journal();
  CHECK_EQ(f.providers["g"].size(), 1);
  CHECK_EQ(f.journal.count<read_jobs>(), 1);
}

TEST_CASE("a removed runner takes no job, and ends when its jobs have") {
  fixture f;
  f.begin();
  REQUIRE(!f.gives_job("glrt-a").empty());
  auto runner = f.journal.last<write_job>().asker.handle;
  auto removed = f.file.runners[0];
  f.file.runners.clear();
  f.reload();
  f.world.run_for(60s);
  CHECK_EQ(f.providers["g"].size(), 1);
  auto asked = f.polls("glrt-a");
  SUBCASE("it stands there again before that: it goes on") {
    f.file.runners = {removed};
    f.reload();
    f.answer_journal();
    f.world.run_for(5s);
    CHECK_GT(f.polls("glrt-a"), asked);
    CHECK_EQ(f.providers["g"].size(), 1);
    CHECK_EQ(f.journal.count<read_jobs>(), 1);
  }
  SUBCASE("it fails before that: what it left is ended by another") {
    f.world.stop(runner);
    f.world.run_for(2s);
    f.answer_journal();
    REQUIRE_EQ(f.providers["g"].size(), 2);
    f.make_ready("g");
    f.world.run_for(60s);
    CHECK_EQ(f.polls("glrt-a"), asked);
    f.file.runners = {removed}; // it has ended: it starts anew
    f.reload();
    f.answer_journal();
    CHECK_EQ(f.providers["g"].size(), 3);
  }
}

TEST_CASE("a removed runner without jobs is gone at once, and may come back") {
  fixture f;
  f.begin();
  auto gone = f.file.runners;
  f.file.runners.clear();
  auto asked = f.last_poll("glrt-a");
  f.reload();
  job_offer none; // the request is broken off
  none.key = asked.key;
  f.world.send(as<offer_asker_actor>(asked.asker), none);
  f.world.run_for(60s);
  f.file.runners = gone;
  f.reload();
  f.answer_journal();
  CHECK_EQ(f.providers["g"].size(), 2);
  CHECK(f.ends.empty());
}

TEST_CASE("a runner that cannot be served as it is written is not removed") {
  fixture f;
  f.begin();
  f.file.runners.clear();
  f.file.concurrent = 1;
  f.left_out = 1;
  f.reload();
  f.world.run_for(5s);
  CHECK(!f.gives_job("glrt-a").empty());
  f.world.run_for(5s);
  CHECK_EQ(f.polls("glrt-a"), 1); // concurrent is as it was, too
}

TEST_CASE("another plugin_config: the provider is exchanged, the group stays") {
  fixture f;
  f.begin();
  f.scaler().policies[0].idle_count = 1;
  f.reload();
  REQUIRE_EQ(f.wanted("g"), 1);
  f.scaler().plugin_config_json = R"({"user_data":"x"})";
  f.reload();
  CHECK_EQ(f.providers["g"].size(), 1); // what it was asked is answered first
  f.world.send(f.group_of("g"), increased{1, 1, {}});
  REQUIRE_EQ(f.providers["g"].size(), 2);
  SUBCASE("it is of the same group: instances are replaced") {
    provider_ready ready;
    ready.group = "g";
    ready.max_size = 100;
    f.world.send(f.group_of("g"), ready);
    f.list("g", {{instance_id{"i-1"}, cloud_state::running}});
    CHECK_EQ(f.provider("g").last<decrease>().instances,
             std::vector{instance_id{"i-1"}});
    CHECK_EQ(f.provider("g").last<increase>().count, 1);
  }
  SUBCASE("it is of another one: the old settings stay, nothing is asked") {
    provider_ready ready;
    ready.group = "other";
    ready.max_size = 100;
    f.world.send(f.group_of("g"), ready);
    CHECK_EQ(f.providers["g"][1].count<increase>(), 0);
    CHECK_EQ(f.providers["g"][1].count<list_instances>(), 0);
    REQUIRE_EQ(f.providers["g"].size(), 3);
    ready.group = "g";
    f.world.send(f.group_of("g"), ready);
    f.world.run_for(1s);
    CHECK_EQ(f.provider("g").count<list_instances>(), 1);
    CHECK_EQ(f.provider("g").count<decrease>(), 0);
  }
}

namespace {

/// A group that went on with its former plugin_config has failed, or its runner
/// has, and the provider of the group in its place is asked what it is.
void fail_with_refused_settings(fixture& f, bool runner_fails) {
  f.scaler().plugin_config_json = R"({"user_data":"old"})";
  f.begin();
  f.scaler().plugin_config_json = R"({"user_data":"new"})";
  f.scaler().policies[0].idle_count = 2;
  f.reload();
  f.says("g", "other");
  f.says("g", "g");
  f.list("g");
  CHECK_EQ(f.wanted("g"), 2);
  CHECK_EQ(f.providers["g"].size(), 3);
  f.world.stop(runner_fails
                 ? f.journal.last<read_jobs>().asker.handle
                 : f.provider("g").last<start_provider>().asker.handle);
  f.world.run_for(2s);
  f.answer_journal();
  CHECK_EQ(f.providers["g"].size(), 4);
}

} // namespace

TEST_CASE("a group that fails after its new plugin_config was refused goes on "
          "with the former") {
  for (auto runner_fails : {false, true})
    for (auto usable : {false, true}) {
      CAPTURE(runner_fails);
      CAPTURE(usable);
      fixture f;
      fail_with_refused_settings(f, runner_fails);
      auto known = f.journal.count<read_instances>();
      if (usable) // but of another group still
        f.says("g", "other");
      else
        f.says("g", "", error_of(provider_errc::bad_config, "no such region"));
      REQUIRE_EQ(f.providers["g"].size(), 5);
      CHECK_EQ(f.plugin_configs.back(), f.plugin_configs.front());
      CHECK_EQ(f.journal.count<read_instances>(), known);
      f.make_ready("g");
      CHECK_EQ(f.journal.count<read_instances>(), known + 1);
      CHECK_EQ(f.wanted("g"), 2); // what else was changed is in force
      CHECK_EQ(f.provider("g").count<decrease>(), 0);
    }
}

TEST_CASE("a group that fails takes its new plugin_config if that works now") {
  for (auto runner_fails : {false, true}) {
    CAPTURE(runner_fails);
    fixture f;
    fail_with_refused_settings(f, runner_fails);
    f.make_ready("g");
    CHECK_EQ(f.providers["g"].size(), 4);
    CHECK_NE(f.plugin_configs.back(), f.plugin_configs.front());
    CHECK_EQ(f.wanted("g"), 2);
  }
}

TEST_CASE("two runners that GitLab takes for one keep their jobs apart") {
  fixture f;
  f.file.runners.push_back(fixture::runner("b", "glrt-a", "h"));
  tell_apart(f.file.runners);
  f.begin();
  auto asked = f.journal.all<read_jobs>();
  REQUIRE_EQ(asked.size(), 2);
  CHECK_EQ(asked[0].runner, "http://gitlab.test|a|a");
  CHECK_EQ(asked[1].runner, "http://gitlab.test|a|b");
  // Without the other one it needs no mark, and its jobs have none either.
  REQUIRE(!f.gives_job("glrt-a").empty());
  f.file.runners.pop_back();
  tell_apart(f.file.runners);
  f.reload();
  auto renamed = f.journal.last<rename_runner>();
  if (!renamed.jobs.empty())
    CHECK_EQ(renamed.to, "http://gitlab.test|a");
}

TEST_CASE("a group that fails with the settings that worked may be of another "
          "cloud's group then") {
  fixture f;
  f.begin();
  f.world.stop(f.provider("g").last<start_provider>().asker.handle);
  f.world.run_for(2s);
  REQUIRE_EQ(f.providers["g"].size(), 2);
  f.says("g", "made again");
  CHECK_EQ(f.providers["g"].size(), 2);
  CHECK_EQ(f.journal.last<read_instances>().group, "made again");
}

TEST_CASE(
  "another group needs a restart, whatever else of the runner changes") {
  fixture f;
  f.begin();
  f.scaler().group_name = "h";
  f.scaler().policies[0].idle_count = 2;
  f.reload();
  CHECK_EQ(f.providers.count("h"), 0);
  CHECK_EQ(f.providers["g"].size(), 1);
  CHECK_EQ(f.wanted("g"), 2);
}

TEST_CASE("a runner that fails over a reload starts with what is in force") {
  fixture f;
  f.begin();
  auto runner = f.journal.last<read_jobs>().asker.handle;
  f.scaler().policies[0].idle_count = 2;
  f.give();
  caf::anon_send_exit(runner, caf::exit_reason::kill);
  caf::anon_send(f.it, config_read{});
  f.world.run_for(2s);
  f.answer_journal();
  REQUIRE_EQ(f.providers["g"].size(), 2);
  f.make_ready("g");
  CHECK_EQ(f.wanted("g"), 2);
  // Nobody waits for an answer of the dead one.
  f.file.runners.push_back(fixture::runner("b", "glrt-b", "h"));
  f.reload();
  f.answer_journal();
  CHECK_EQ(f.providers["h"].size(), 1);
}

TEST_CASE("a runner that fails while it gets another name loses no job") {
  fixture f;
  f.begin();
  REQUIRE(!f.gives_job("glrt-a").empty());
  auto runner = f.journal.last<write_job>().asker.handle;
  f.file.runners[0].token = secret{"glrt-z"};
  f.file.runners.push_back(fixture::runner("b", "glrt-a", "h"));
  f.give();
  caf::anon_send_exit(runner, caf::exit_reason::kill);
  caf::anon_send(f.it, config_read{});
  f.world.run_for(2s);
  REQUIRE_EQ(f.journal.count<read_jobs>(), 2);
  CHECK_EQ(f.journal.last<read_jobs>().runner, "http://gitlab.test|a");
  // Once more, before the journal has answered.
  f.world.stop(f.journal.last<read_jobs>().asker.handle);
  f.world.run_for(5s);
  REQUIRE_EQ(f.journal.count<read_jobs>(), 3);
  CHECK_EQ(f.journal.last<read_jobs>().runner, "http://gitlab.test|a");
  left_job left;
  left.key = acquisition_key{"k"};
  left.payload.id = 9;
  left.payload.token = secret{"glcbt-t"};
  left_jobs found;
  found.jobs = {left};
  f.world.send(as<journal_asker_actor>(f.journal.last<read_jobs>().asker),
               found);
  auto renamed = f.journal.last<rename_runner>();
  CHECK_EQ(renamed.to, "http://gitlab.test|z");
  CHECK_EQ(renamed.jobs, std::vector{left.key});
  // Only now may another have the former name.
  REQUIRE_EQ(f.journal.count<read_jobs>(), 4);
  CHECK_EQ(f.journal.last<read_jobs>().runner, "http://gitlab.test|a");
}

TEST_CASE("a manager that stops reads nothing any more") {
  fixture f;
  f.begin();
  REQUIRE(!f.gives_job("glrt-a").empty());
  f.world.send(f.it, shutdown_request{stop_mode::graceful});
  f.file.runners.push_back(fixture::runner("b", "glrt-b", "h"));
  f.reload();
  f.answer_journal();
  CHECK_EQ(f.providers.count("h"), 0);
}
