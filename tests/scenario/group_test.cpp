#include "actors/group/group.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// A group with a provider, a dialer and a journal that the test plays.
struct fixture {
  test::virtual_system world;
  runner_config cfg;
  test::probe<group_parent_actor> runner
    = world.spawn_probe<group_parent_actor>();
  test::probe<dialer_actor> dialer = world.spawn_probe<dialer_actor>();
  test::probe<journal_actor> journal = world.spawn_probe<journal_actor>();
  std::vector<test::probe<provider_actor>> providers;
  group_actor it;
  std::vector<cloud_instance> cloud;
  bool keeps_instances = false; ///< as a pool of given hosts does

  fixture() {
    cfg.name = "r";
    cfg.token = secret{"glrt-abc"};
    cfg.autoscaler.emplace();
    cfg.autoscaler->max_instances = 5;
    policy_config policy;
    policy.idle_time = 60s;
    cfg.autoscaler->policies.push_back(policy);
  }

  autoscaler_config& scaler() {
    return *cfg.autoscaler;
  }

  test::probe<provider_actor>& provider() {
    return providers.back();
  }

  void start() {
    group_setup setup;
    setup.role = "group";
    setup.runner = std::make_shared<const runner_config>(cfg);
    setup.make_provider
      = [this](caf::local_actor*, const provider_parent_actor&) {
          providers.push_back(world.spawn_probe_now<provider_actor>());
          return providers.back().handle;
        };
    setup.parent = runner.handle;
    setup.dialer = dialer.handle;
    setup.journal = journal.handle;
    auto shared = std::make_shared<edges>();
    shared->unix_us = [] { return int64_t{1'790'000'000'000'000}; };
    setup.edge = shared;
    it = world.take(spawn_group(world.sys, setup));
  }

  void begin(std::vector<known_instance> known = {}) {
    start();
    begin_started(std::move(known));
  }

  void begin_started(std::vector<known_instance> known) {
    provider_ready ready;
    ready.group = "cloud-group";
    ready.max_size = 100;
    ready.keeps_instances = keeps_instances;
    world.send(it, ready);
    world.send(it, known_instances{"cloud-group", std::move(known), {}});
    list();
  }

  /// Answers the listing that is out, if any.
  void list() {
    world.run_for(2s);
    auto asked = provider().last<list_instances>();
    world.send(it, listing{asked.number, cloud, {}});
  }

  void boots(const char* id) {
    cloud.push_back({instance_id{id}, cloud_state::running});
    list();
    connect(id);
  }

  void connect(const char* id) {
    auto ask = provider().last<get_connect_info>();
    auto who = as<provider_asker_actor>(ask.asker);
    world.send(who, connect_info_found{instance_id{id}, {}, {}});
    world.send(as<host_key_asker_actor>(ask.asker),
               host_key_found{instance_id{id}, "", {}});
    world.send(as<dial_asker_actor>(ask.asker),
               dialed{instance_id{id}, "key", {}});
  }

  /// Begins; a job `a` waits, and the instance `i-1` is made for it.
  test::probe<acquirer_actor> grows_for_a_job() {
    begin();
    reserves("a");
    auto job = acquires("a");
    world.send(it, increased{1, 1, {}});
    boots("i-1");
    return job;
  }

  bool reserves(const char* key) {
    world.send(it, reserve{acquisition_key{key}});
    return !runner.last<reserved>().why;
  }

  test::probe<acquirer_actor>
  acquires(const char* key, std::chrono::milliseconds timeout = 15min) {
    auto job = world.spawn_probe<acquirer_actor>();
    world.send(it, acquire{acquisition_key{key},
                           timeout.count(),
                           {"job", caf::actor_cast<caf::actor>(job.handle)},
                           false});
    return job;
  }
};

} // namespace

TEST_CASE("a group serves when it has listed its instances") {
  fixture f;
  f.start();
  CHECK_FALSE(f.reserves("early"));
  provider_ready ready;
  ready.group = "g";
  ready.max_size = 100;
  f.world.send(f.it, ready);
  CHECK_EQ(f.journal.last<read_instances>().group, "g");
  f.world.send(f.it, known_instances{"g", {}, {}});
  CHECK_EQ(f.provider().count<list_instances>(), 1);
  CHECK_EQ(f.runner.count<group_ready>(), 0);
  f.list();
  CHECK_EQ(f.runner.count<group_ready>(), 1);
  CHECK(f.reserves("a"));
}

TEST_CASE("a waiting job makes an instance and gets its first slot") {
  fixture f;
  f.begin();
  REQUIRE(f.reserves("a"));
  CHECK_EQ(f.provider().count<increase>(),
           0); // a reservation alone adds nothing
  auto job = f.acquires("a");
  REQUIRE_EQ(f.provider().count<increase>(), 1); // at once, not on a tick
  CHECK_EQ(f.provider().last<increase>().count, 1);
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  REQUIRE_EQ(job.count<acquired>(), 1);
  CHECK_EQ(job.last<acquired>().instance, instance_id{"i-1"});
  CHECK_EQ(job.last<acquired>().slot, 0);
  CHECK_FALSE(job.last<acquired>().why);
  CHECK_EQ(f.provider().count<increase>(), 1);
}

TEST_CASE("jobs share an instance up to its capacity, in order of arrival") {
  fixture f;
  f.scaler().capacity_per_instance = 2;
  f.begin();
  f.reserves("a");
  f.reserves("b");
  f.reserves("c");
  auto a = f.acquires("a");
  auto b = f.acquires("b");
  auto c = f.acquires("c");
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  CHECK_EQ(a.last<acquired>().slot, 0);
  CHECK_EQ(b.last<acquired>().slot, 1);
  CHECK_EQ(c.count<acquired>(), 0);
  f.boots("i-2");
  CHECK_EQ(c.last<acquired>().instance, instance_id{"i-2"});
}

TEST_CASE("never more than max_instances are asked for") {
  fixture f;
  f.scaler().max_instances = 2;
  f.begin();
  std::vector<test::probe<acquirer_actor>> jobs;
  for (const auto* key : {"a", "b", "c", "d"})
    if (f.reserves(key))
      jobs.push_back(f.acquires(key));
  CHECK_EQ(jobs.size(), 2);
  int asked = 0;
  for (const auto& x : f.provider().all<increase>())
    asked += x.count;
  CHECK_EQ(asked, 2);
}

TEST_CASE("a refused reservation is told when capacity comes back") {
  fixture f;
  f.scaler().max_instances = 1;
  auto a = f.grows_for_a_job();
  CHECK_FALSE(f.reserves("b"));
  auto told = f.runner.count<capacity_changed>();
  f.world.send(as<slot_actor>(a.last<acquired>().slot_peer),
               vacate_slot{acquisition_key{"a"}});
  CHECK_EQ(f.runner.count<capacity_changed>(), told + 1);
  CHECK(f.reserves("b"));
  auto b = f.acquires("b");
  CHECK_EQ(b.count<acquired>(), 0); // not before the slot is proven clean
  auto clean = f.dialer.last<end_leftovers>();
  f.world.send(as<dial_asker_actor>(clean.asker),
               leftovers_ended{clean.instance, clean.key, true, ""});
  CHECK_EQ(b.last<acquired>().instance, instance_id{"i-1"});
}

TEST_CASE("an idle instance is removed after its idle time, in two steps") {
  fixture f;
  auto a = f.grows_for_a_job();
  f.world.send(as<slot_actor>(a.last<acquired>().slot_peer),
               vacate_slot{acquisition_key{"a"}});
  auto clean = f.dialer.last<end_leftovers>();
  f.world.send(as<dial_asker_actor>(clean.asker),
               leftovers_ended{clean.instance, clean.key, true, ""});
  f.world.run_for(50s);
  CHECK_EQ(f.provider().count<decrease>(), 0);
  f.world.run_for(12s);
  REQUIRE_EQ(f.provider().count<decrease>(), 1);
  CHECK_EQ(f.provider().last<decrease>().instances,
           std::vector{instance_id{"i-1"}});
  CHECK_EQ(f.dialer.count<hang_up>(), 1);
  f.world.send(f.it, decreased{{instance_id{"i-1"}}, {instance_id{"i-1"}}, {}});
  f.cloud.clear();
  f.list();
  CHECK_EQ(f.journal.count<forget_instance>(), 1);
}

TEST_CASE("idle_count is kept ready before any job") {
  fixture f;
  f.scaler().capacity_per_instance = 2;
  f.scaler().policies[0].idle_count = 3;
  f.begin();
  CHECK_EQ(f.provider().last<increase>().count, 2);
}

TEST_CASE("an instance that nobody knows is removed at the start") {
  fixture f;
  f.scaler().policies[0].idle_count = 1;
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  f.begin();
  CHECK_EQ(f.provider().last<decrease>().instances,
           std::vector{instance_id{"old"}});
}

TEST_CASE("an instance that the journal knows is kept with its use count") {
  fixture f;
  f.scaler().policies[0].idle_count = 1;
  f.scaler().max_use_count = 3;
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  f.begin({{instance_id{"old"}, 2, 0, "pinned", {}}});
  CHECK_EQ(f.provider().count<decrease>(), 0);
  auto ask = f.provider().last<get_connect_info>();
  f.world.send(as<provider_asker_actor>(ask.asker),
               connect_info_found{instance_id{"old"}, {}, {}});
  CHECK_EQ(f.journal.last<read_host_key>().instance, instance_id{"old"});
  f.world.send(as<host_key_asker_actor>(ask.asker),
               host_key_found{instance_id{"old"}, "pinned", {}});
  CHECK_EQ(f.dialer.last<dial>().info.host_key, "pinned");
  f.world.send(as<dial_asker_actor>(ask.asker),
               dialed{instance_id{"old"}, "pinned", {}});
  REQUIRE(f.reserves("a"));
  auto a = f.acquires("a");
  CHECK_EQ(a.last<acquired>().instance, instance_id{"old"});
}

TEST_CASE("an instance on which an earlier manager left a job is not reused") {
  fixture f;
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  f.begin({{instance_id{"old"}, 1, 0, "pinned", {acquisition_key{"lost"}}}});
  CHECK_EQ(f.provider().last<decrease>().instances,
           std::vector{instance_id{"old"}});
}

namespace {

/// An instance of an earlier manager with a job in its slot 1.
std::vector<known_instance> with_job(const char* key) {
  return {{instance_id{"old"}, 1, 0, "pinned", {acquisition_key{key}}}};
}

claim claim_of(const char* key, const peer& asker) {
  return {acquisition_key{key}, instance_id{"old"}, 1, asker};
}

} // namespace

TEST_CASE("an instance of an earlier manager is kept for the job that claims "
          "its slot") {
  fixture f;
  f.scaler().capacity_per_instance = 2;
  f.scaler().max_use_count = 5;
  f.scaler().policies[0].idle_time = 0s; // would be removed at once
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  auto job = f.world.spawn_probe<acquirer_actor>();
  f.start();
  f.world.send(f.it,
               claim_of("a", {"job", caf::actor_cast<caf::actor>(job.handle)}));
  f.begin_started(with_job("a"));
  f.connect("old");
  REQUIRE_EQ(job.count<acquired>(), 1);
  CHECK_FALSE(static_cast<bool>(job.last<acquired>().why));
  CHECK_EQ(job.last<acquired>().slot, 1);
  CHECK_EQ(f.provider().count<decrease>(), 0);
  // Given back, it is cleaned before another gets it.
  f.world.send(as<slot_actor>(job.last<acquired>().slot_peer),
               vacate_slot{acquisition_key{"a"}});
  CHECK_EQ(f.dialer.last<end_leftovers>().key, acquisition_key{"a"});
}

TEST_CASE("a slot in which an ended job may have left something is cleaned "
          "before it is given out") {
  fixture f;
  f.scaler().capacity_per_instance = 2;
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  f.start();
  f.world.send(f.it, claim_of("a", {}));
  f.begin_started(with_job("a"));
  f.connect("old");
  auto clean = f.dialer.last<end_leftovers>();
  REQUIRE_EQ(clean.key, acquisition_key{"a"});
  for (const auto* key : {"b", "c"})
    REQUIRE(f.reserves(key));
  auto b = f.acquires("b");
  auto c = f.acquires("c");
  CHECK_EQ(b.last<acquired>().slot, 0);
  CHECK_EQ(c.count<acquired>(), 0);
  auto is_clean = false;
  SUBCASE("clean") {
    is_clean = true;
  }
  SUBCASE("not clean: the instance is replaced") {
  }
  f.world.send(as<dial_asker_actor>(clean.asker),
               leftovers_ended{clean.instance, clean.key, is_clean, ""});
  f.world.run_for(1s);
  CHECK_EQ(c.count<acquired>(), is_clean ? 1 : 0);
  CHECK_EQ(f.provider().count<increase>(), is_clean ? 0 : 1);
}

TEST_CASE("a claimed slot beside a job that nobody claims goes with its "
          "instance") {
  fixture f;
  f.scaler().capacity_per_instance = 2;
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  auto job = f.world.spawn_probe<acquirer_actor>();
  f.start();
  f.world.send(f.it,
               claim_of("a", {"job", caf::actor_cast<caf::actor>(job.handle)}));
  auto known = with_job("a");
  known[0].jobs.push_back(acquisition_key{"lost"});
  f.begin_started(known);
  f.connect("old");
  REQUIRE_EQ(job.count<acquired>(), 1);
  CHECK_EQ(f.provider().count<decrease>(), 0); // not under the job
  REQUIRE(f.reserves("b"));
  CHECK_EQ(f.acquires("b").count<acquired>(), 0);
}

TEST_CASE("a job whose instance is not listed any more is told") {
  fixture f;
  auto job = f.world.spawn_probe<acquirer_actor>();
  f.start();
  f.world.send(f.it,
               claim_of("a", {"job", caf::actor_cast<caf::actor>(job.handle)}));
  f.begin_started({});
  for (int i = 0; i < 4; ++i)
    f.list();
  CHECK_EQ(job.count<acquired>(), 0);
  f.list();
  REQUIRE_EQ(job.count<acquired>(), 1);
  CHECK(is(job.last<acquired>().why, instance_errc::removed_externally));
}

TEST_CASE("a job keeps a slot from before there were fewer, and its instance "
          "gets no other") {
  fixture f; // capacity 1
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  auto job = f.world.spawn_probe<acquirer_actor>();
  f.start();
  f.world.send(f.it, // its slot is the second one
               claim_of("a", {"job", caf::actor_cast<caf::actor>(job.handle)}));
  f.begin_started(with_job("a"));
  REQUIRE_EQ(job.count<acquired>(), 1);
  CHECK_FALSE(static_cast<bool>(job.last<acquired>().why));
  CHECK_EQ(f.provider().count<decrease>(), 0);
  REQUIRE(f.reserves("b"));
  auto other = f.acquires("b");
  f.world.run_for(10s);
  CHECK_EQ(other.count<acquired>(), 0);
  CHECK_EQ(f.provider().count<decrease>(), 0);
  f.world.send(as<slot_actor>(job.last<acquired>().slot_peer),
               vacate_slot{acquisition_key{"a"}});
  auto clean = f.dialer.last<end_leftovers>();
  f.world.send(as<dial_asker_actor>(clean.asker),
               leftovers_ended{clean.instance, clean.key, true, ""});
  f.world.run_for(10s);
  CHECK_EQ(f.provider().last<decrease>().instances,
           std::vector{instance_id{"old"}});
}

TEST_CASE("an acquire ends at its deadline") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a", 30s);
  f.world.run_for(29s);
  CHECK_EQ(a.count<acquired>(), 0);
  f.world.run_for(2s);
  REQUIRE_EQ(a.count<acquired>(), 1);
  CHECK(is(a.last<acquired>().why, capacity_errc::acquire_timed_out));
}

TEST_CASE("an acquire without a reservation is refused") {
  fixture f;
  f.begin();
  auto a = f.acquires("never");
  CHECK(is(a.last<acquired>().why, capacity_errc::reservation_not_found));
}

TEST_CASE("a removed instance is replaced and its job is told") {
  fixture f;
  auto a = f.grows_for_a_job();
  auto slot = a.last<acquired>().slot_peer.handle;
  caf::error reason;
  auto watcher
    = f.world.sys.spawn([&](caf::event_based_actor* self) -> caf::behavior {
        self->set_down_handler(
          [&](const caf::down_msg& x) { reason = x.reason; });
        self->monitor(slot);
        return {[](int) {}};
      });
  f.world.keep(watcher);
  f.world.run();
  f.cloud = {{instance_id{"i-1"}, cloud_state::deleted}};
  f.world.run_for(61s);
  f.list();
  CHECK(is(reason, instance_errc::removed_externally));
  f.reserves("b");
  auto b = f.acquires("b");
  CHECK_EQ(f.provider().count<increase>(), 2);
}

TEST_CASE("a lost instance that the cloud still lists is removed, not used") {
  fixture f;
  auto a = f.grows_for_a_job();
  auto ask = f.provider().last<get_connect_info>();
  f.world.fail(ask.asker.handle,
               error_of(instance_errc::removed_externally, "no answer"));
  f.list();
  CHECK_EQ(f.provider().last<decrease>().instances,
           std::vector{instance_id{"i-1"}});
}

TEST_CASE(
  "an instance that is lost is looked for soon, and puts off no listing "
  "that is due sooner") {
  fixture f;
  auto a = f.grows_for_a_job();
  auto lost = f.provider().last<get_connect_info>().asker.handle;
  auto lists_within = [&f](std::chrono::milliseconds time) {
    auto before = f.provider().count<list_instances>();
    f.world.run_for(time);
    return f.provider().count<list_instances>() - before;
  };
  auto loses = [&] {
    f.world.fail(lost,
                 error_of(instance_errc::removed_externally, "no answer"));
  };
  SUBCASE("none is due for long") {
    loses();
    CHECK_EQ(lists_within(400ms), 0);
    CHECK_EQ(lists_within(200ms), 1);
  }
  SUBCASE("another instance was asked for a moment ago") {
    REQUIRE(f.reserves("b"));
    auto b = f.acquires("b");
    f.world.send(f.it, increased{1, 1, {}});
    f.world.run_for(20ms);
    loses();
    CHECK_EQ(lists_within(40ms), 1);
  }
}

TEST_CASE("an instance left out of listings is gone at the sixth time") {
  fixture f;
  auto a = f.grows_for_a_job();
  f.cloud.clear();
  for (int i = 0; i < 5; ++i) {
    f.world.run_for(61s);
    f.list();
  }
  CHECK_EQ(f.journal.count<forget_instance>(), 0);
  f.world.run_for(61s);
  f.list();
  CHECK_EQ(f.journal.count<forget_instance>(), 1);
}

TEST_CASE("failed increases are repeated with a growing pause") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a", 10min);
  for (int i = 0; i < 300; ++i) {
    auto asked = f.provider().count<increase>();
    f.world.send(
      f.it, increased{1, 0, error_of(provider_errc::call_failed, "quota")});
    f.world.run_for(1s);
    CHECK_LE(f.provider().count<increase>(), asked + 1);
  }
  CHECK_GE(f.provider().count<increase>(), 4);
  CHECK_LE(f.provider().count<increase>(), 20);
}

TEST_CASE("a dead provider is started again and lists anew") {
  fixture f;
  f.begin();
  f.world.stop(f.provider().handle);
  CHECK_EQ(f.providers.size(), 1);
  f.world.run_for(5s);
  REQUIRE_EQ(f.providers.size(), 2);
  provider_ready ready;
  ready.group = "cloud-group";
  ready.max_size = 100;
  f.world.send(f.it, ready);
  CHECK_GE(f.provider().count<list_instances>(), 1);
  CHECK(f.reserves("a"));
}

TEST_CASE("a provider that dies soon each time is started ever more slowly") {
  fixture f;
  f.begin();
  f.boots("i-1");
  auto comes_back_after = [&f](std::chrono::milliseconds pause) {
    auto before = f.providers.size();
    f.world.stop(f.provider().handle);
    f.world.send(f.it, decreased{}); // what otherwise has it look at the cloud
    f.world.run_for(pause - 50ms);
    CHECK_EQ(f.providers.size(), before);
    f.world.run_for(100ms);
    REQUIRE_EQ(f.providers.size(), before + 1);
    provider_ready ready;
    ready.group = "cloud-group";
    ready.max_size = 100;
    f.world.send(f.it, ready);
    f.list();
  };
  for (auto pause : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 32000ms})
    comes_back_after(pause);
  for (int i = 0; i < 2; ++i)
    comes_back_after(60s);
  f.world.run_for(61s); // this one lasts
  f.list();
  comes_back_after(500ms);
}

TEST_CASE(
  "a provider that fails to start again is tried again, with its words") {
  fixture f;
  f.begin();
  f.world.stop(f.provider().handle);
  f.world.run_for(1s);
  REQUIRE_EQ(f.providers.size(), 2);
  provider_ready failed;
  failed.why = error_of(provider_errc::not_available, "the plugin is gone");
  f.world.send(f.it, failed);
  f.world.run_for(2s);
  CHECK_EQ(f.providers.size(), 3);
  CHECK(f.reserves("a")); // what is there stays
}

TEST_CASE("a provider of another group is not taken for the one before") {
  fixture f;
  f.begin();
  caf::error reason;
  auto watcher
    = f.world.sys.spawn([&](caf::event_based_actor* self) -> caf::behavior {
        self->set_down_handler(
          [&](const caf::down_msg& x) { reason = x.reason; });
        self->monitor(f.it);
        return {[](int) {}};
      });
  f.world.keep(watcher);
  f.world.run();
  f.world.stop(f.provider().handle);
  f.world.run_for(1s);
  provider_ready ready;
  ready.group = "another-group";
  ready.max_size = 100;
  f.world.send(f.it, ready);
  CHECK_NE(text_of(reason).find("another-group"), std::string::npos);
}

TEST_CASE("a group whose provider cannot start ends with the reason") {
  fixture f;
  f.start();
  caf::error reason;
  auto watcher
    = f.world.sys.spawn([&](caf::event_based_actor* self) -> caf::behavior {
        self->set_down_handler(
          [&](const caf::down_msg& x) { reason = x.reason; });
        self->monitor(f.it);
        return {[](int) {}};
      });
  f.world.keep(watcher);
  f.world.run();
  provider_ready ready;
  SUBCASE("init failed") {
    ready.why = error_of(provider_errc::not_available, "no sshd");
    f.world.send(f.it, ready);
    CHECK_EQ(text_of(reason), "no sshd");
  }
  SUBCASE("the cloud's group is smaller than max_instances") {
    ready.group = "g";
    ready.max_size = 2;
    f.world.send(f.it, ready);
    CHECK_NE(text_of(reason).find("5 > 2"), std::string::npos);
  }
  SUBCASE("nobody knows what is left on the hosts of a pool") {
    ready.group = "cloud-group";
    ready.max_size = 100;
    ready.keeps_instances = true;
    f.world.send(f.it, ready);
    CHECK_FALSE(reason);
    auto why = error_of(journal_errc::not_readable, "damaged");
    f.world.send(f.it, known_instances{"cloud-group", {}, why});
    CHECK_EQ(text_of(reason), "damaged");
  }
}

TEST_CASE("a dead instance actor is found again and its job keeps the slot") {
  fixture f;
  auto a = f.grows_for_a_job();
  auto ask = f.provider().last<get_connect_info>();
  f.world.stop(ask.asker.handle); // the instance's actor, not the machine
  f.world.send(f.it, claim{acquisition_key{"a"},
                           instance_id{"i-1"},
                           0,
                           {"job", caf::actor_cast<caf::actor>(a.handle)}});
  f.list();
  f.connect("i-1");
  CHECK_EQ(a.count<acquired>(), 2);
  CHECK_EQ(f.provider().count<decrease>(), 0);
  CHECK_EQ(f.provider().count<increase>(), 1);
}

TEST_CASE("an instance is found soon after it runs, however long it boots") {
  fixture f;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  f.world.send(f.it, increased{1, 1, {}});
  f.cloud.push_back({instance_id{"i-1"}, cloud_state::creating});
  auto answer = [&f] {
    f.world.send(
      f.it, listing{f.provider().last<list_instances>().number, f.cloud, {}});
  };
  auto listed = [&f] { return f.provider().count<list_instances>(); };
  auto lists_within = [&](std::chrono::milliseconds time) {
    auto before = listed();
    f.world.run_for(time);
    return listed() > before;
  };
  // Each listing is answered at once.
  auto wait = [&](std::chrono::milliseconds time) {
    for (auto step = 0ms; step < time; step += 10ms)
      if (lists_within(10ms))
        answer();
  };
  wait(5s);
  f.cloud[0].state = cloud_state::running;
  CHECK(lists_within(600ms));
  answer();
  // All is there: there is nothing to be seen soon.
  CHECK_FALSE(lists_within(59s));
  CHECK(lists_within(2s));
}

TEST_CASE("shutting down removes the instances if so configured") {
  fixture f;
  f.scaler().delete_instances_on_shutdown = true;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  f.world.send(f.it, drain{30'000});
  CHECK_FALSE(f.reserves("late"));
  CHECK_EQ(f.provider().count<decrease>(), 1);
  f.world.send(f.it, decreased{{instance_id{"i-1"}}, {instance_id{"i-1"}}, {}});
  f.cloud.clear();
  f.list();
  f.world.run_for(1s);
  REQUIRE_EQ(f.runner.count<drained>(), 1);
  CHECK_EQ(f.runner.last<drained>().left, 0);
}

TEST_CASE("shutting down removes an instance that is first listed then") {
  fixture f;
  f.scaler().delete_instances_on_shutdown = true;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  REQUIRE_EQ(f.provider().count<increase>(), 1);
  SUBCASE("its request was accepted") {
    f.world.send(f.it, increased{1, 1, {}});
    f.world.send(f.it, drain{30'000});
  }
  SUBCASE("its request is under way") {
    f.world.send(f.it, drain{30'000});
    f.world.run_for(1s);
    f.world.send(f.it, increased{1, 1, {}});
  }
  f.world.run_for(1s);
  CHECK_EQ(f.runner.count<drained>(), 0);
  f.cloud.push_back({instance_id{"i-1"}, cloud_state::creating});
  f.list();
  CHECK_EQ(f.provider().count<increase>(), 1);
  REQUIRE_EQ(f.provider().count<decrease>(), 1);
  f.world.send(f.it, decreased{{instance_id{"i-1"}}, {instance_id{"i-1"}}, {}});
  f.cloud.clear();
  f.list();
  f.world.run_for(1s);
  REQUIRE_EQ(f.runner.count<drained>(), 1);
  CHECK_EQ(f.runner.last<drained>().left, 0);
}

TEST_CASE("shutting down waits for an instance that never comes, for so long") {
  fixture f;
  f.scaler().policies[0].idle_count = 1;
  int32_t left = 0;
  SUBCASE("it would be removed") {
    f.scaler().delete_instances_on_shutdown = true;
    left = 1;
    f.begin();
    f.world.send(f.it, increased{1, 1, {}});
    f.world.send(f.it, drain{30'000});
    f.world.run_for(29s);
    CHECK_EQ(f.runner.count<drained>(), 0);
    f.world.run_for(2s);
  }
  SUBCASE("its request is refused") {
    f.scaler().delete_instances_on_shutdown = true;
    f.begin();
    f.world.send(f.it, drain{30'000});
    f.world.send(f.it,
                 increased{1, 0, error_of(provider_errc::call_failed, "no")});
    f.world.run_for(1s);
  }
  REQUIRE_EQ(f.runner.count<drained>(), 1);
  CHECK_EQ(f.runner.last<drained>().left, left);
}

TEST_CASE("shutting down does not wait for what it leaves running") {
  fixture f;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  f.world.send(f.it, increased{1, 1, {}});
  f.world.send(f.it, drain{30'000});
  f.world.run_for(1s);
  CHECK_EQ(f.runner.count<drained>(), 1);
}

TEST_CASE("shutting down leaves the instances if so configured") {
  fixture f;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  f.world.send(f.it, drain{30'000});
  f.world.run_for(1s);
  CHECK_EQ(f.runner.count<drained>(), 1);
  CHECK_EQ(f.provider().count<decrease>(), 0);
}

TEST_CASE("shutting down waits for the slot of a job that has just ended") {
  fixture f;
  auto a = f.grows_for_a_job();
  f.world.send(f.it, drain{30'000});
  f.world.run_for(1s);
  CHECK_EQ(f.runner.count<drained>(), 0);
  f.world.send(as<slot_actor>(a.last<acquired>().slot_peer),
               vacate_slot{acquisition_key{"a"}});
  f.world.run_for(1s);
  CHECK_EQ(f.runner.count<drained>(), 0);
  SUBCASE("it is clean") {
    auto clean = f.dialer.last<end_leftovers>();
    f.world.send(as<dial_asker_actor>(clean.asker),
                 leftovers_ended{clean.instance, clean.key, true, ""});
    f.world.run_for(1s);
  }
  SUBCASE("nobody says so") {
    f.world.run_for(29s);
  }
  CHECK_EQ(f.runner.count<drained>(), 1);
}

TEST_CASE("a provider that never answers does not hold up a shutdown") {
  fixture f;
  f.scaler().delete_instances_on_shutdown = true;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  f.world.send(f.it, drain{30'000});
  f.world.run_for(31s);
  CHECK_EQ(f.runner.last<drained>().left, 1);
}

namespace {

/// The instance that was asked about last goes, and does not work.
void fails_to_prepare(fixture& f, const char* id) {
  auto ask = f.provider().last<get_connect_info>();
  auto who = as<provider_asker_actor>(ask.asker);
  f.world.send(who, connect_info_found{instance_id{id}, {}, {}});
  f.world.send(as<host_key_asker_actor>(ask.asker),
               host_key_found{instance_id{id}, "", {}});
  f.world.send(as<dial_asker_actor>(ask.asker),
               dialed{instance_id{id}, "",
                      error_of(connection_errc::not_authenticated, "no luck")});
}

} // namespace

TEST_CASE("instances that do not become ready are made ever more slowly") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a", 2h);
  std::vector<group_time> asked;
  for (int i = 0; i < 12; ++i) {
    auto before = f.provider().count<increase>();
    auto id = "i-" + std::to_string(i);
    f.world.send(f.it, increased{1, 1, {}});
    f.cloud.push_back({instance_id{id}, cloud_state::running});
    f.list();
    fails_to_prepare(f, id.c_str());
    CHECK_EQ(f.provider().last<decrease>().failed,
             std::vector{instance_id{id}});
    f.world.send(f.it, decreased{{instance_id{id}}, {instance_id{id}}, {}});
    f.cloud.clear();
    f.list();
    for (int k = 0; k < 400 && f.provider().count<increase>() == before; ++k)
      f.world.run_for(1s);
    REQUIRE_EQ(f.provider().count<increase>(), before + 1);
    asked.push_back(f.world.scheduler().clock().current_time);
  }
  CHECK_GE(asked[2] - asked[1], 8s);
  CHECK_GE(asked[11] - asked[10], 290s);
  CHECK_LE(asked[11] - asked[10], 310s);
  // One that works ends the pause.
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("good");
  CHECK_EQ(a.count<acquired>(), 1);
  f.reserves("b");
  auto before = f.provider().count<increase>();
  auto b = f.acquires("b");
  CHECK_EQ(f.provider().count<increase>(), before + 1);
}

TEST_CASE("a group grows no faster than scale_throttle allows") {
  fixture f;
  f.scaler().max_instances = 0;
  f.scaler().scale_limit = 1;
  f.scaler().scale_burst = 3;
  f.scaler().policies[0].idle_count = 10;
  f.begin();
  CHECK_EQ(f.provider().last<increase>().count, 3);
  f.world.send(f.it, increased{3, 3, {}});
  f.world.run_for(1100ms);
  CHECK_EQ(f.provider().last<increase>().count, 1);
}

TEST_CASE("a job that waits is told what for, once for each change") {
  fixture f;
  f.scaler().max_instances = 1;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a", 2h);
  f.world.run_for(9s);
  CHECK_EQ(a.count<acquire_waits>(), 0);
  f.world.run_for(3s);
  REQUIRE_EQ(a.count<acquire_waits>(), 1);
  CHECK_EQ(a.last<acquire_waits>().text,
           "waiting for a slot: 1st in line; an instance asked for 10 s ago");
  f.world.run_for(26s);
  CHECK_EQ(a.count<acquire_waits>(), 1);
  f.world.run_for(3s);
  REQUIRE_EQ(a.count<acquire_waits>(), 2);
  CHECK_EQ(a.last<acquire_waits>().text,
           "waiting for a slot: 1st in line; an instance asked for 40 s ago");
  f.world.run_for(5min);
  CHECK_EQ(a.count<acquire_waits>(), 4);
  f.world.send(
    f.it,
    increased{1, 0, error_of(provider_errc::call_failed, "out of quota")});
  f.world.run_for(2min);
  CHECK_GE(a.count<acquire_waits>(), 5);
  CHECK_LE(a.count<acquire_waits>(), 7);
  CHECK_NE(a.last<acquire_waits>().text.find("out of quota"),
           std::string::npos);
}

TEST_CASE("a job that waits hears what kept an instance from getting ready, "
          "whatever becomes of the next request") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a", 2h);
  f.world.send(f.it, increased{1, 1, {}});
  f.cloud.push_back({instance_id{"i-1"}, cloud_state::running});
  f.list();
  fails_to_prepare(f, "i-1");
  f.world.send(f.it, decreased{{instance_id{"i-1"}}, {instance_id{"i-1"}}, {}});
  f.cloud.clear();
  f.list();
  auto asks_again = [&] {
    auto before = f.provider().count<increase>();
    for (int k = 0; k < 400 && f.provider().count<increase>() == before; ++k)
      f.world.run_for(1s);
    REQUIRE_EQ(f.provider().count<increase>(), before + 1);
  };
  if (f.provider().count<increase>() < 2)
    asks_again();
  f.world.send(
    f.it,
    increased{1, 0, error_of(provider_errc::call_failed, "out of quota")});
  asks_again();
  f.world.send(f.it, increased{1, 1, {}});
  a.clear();
  f.world.run_for(10min);
  REQUIRE_GE(a.count<acquire_waits>(), 1);
  auto text = a.last<acquire_waits>().text;
  CAPTURE(text);
  CHECK_NE(text.find("no luck"), std::string::npos);
  CHECK_EQ(text.find("out of quota"), std::string::npos);
}

TEST_CASE("an acquire that ends in vain says what it waited for") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a", 5s);
  f.world.run_for(6s);
  REQUIRE_EQ(a.count<acquired>(), 1);
  CHECK_EQ(text_of(a.last<acquired>().why),
           "waiting for a slot: an instance asked for 5 s ago");
}

TEST_CASE("a host of a pool keeps its pin, and its failures are told") {
  fixture f;
  f.keeps_instances = true;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a", 2h);
  f.world.send(f.it, increased{1, 1, {}});
  f.cloud.push_back({instance_id{"h"}, cloud_state::running});
  f.list();
  fails_to_prepare(f, "h");
  CHECK_EQ(f.provider().last<decrease>().failed, std::vector{instance_id{"h"}});
  f.world.send(f.it, decreased{{instance_id{"h"}}, {instance_id{"h"}}, {}});
  f.cloud.clear();
  f.list();
  REQUIRE_EQ(f.journal.count<forget_instance>(), 1);
  CHECK(f.journal.last<forget_instance>().may_return);
  // The pool keeps the pause: a host that works is not held back.
  f.world.run_for(1s);
  CHECK_EQ(f.provider().count<increase>(), 2);
}

TEST_CASE("a host of a pool is not given out beside what a job left there") {
  fixture f;
  f.keeps_instances = true;
  acquisition_key lost{"r-lost"};
  known_instance old{instance_id{"old"}, 1, 0, "pinned", {}, {lost}};
  // Other groups may have instances of this name: their jobs are theirs.
  old.jobs = {acquisition_key{"x-others"}};
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  f.begin({old});
  CHECK_EQ(f.provider().count<decrease>(), 0);
  f.connect("old");
  REQUIRE_EQ(f.dialer.count<end_leftovers>(), 1);
  CHECK_EQ(f.dialer.last<end_leftovers>().key, lost);
  f.reserves("a");
  auto a = f.acquires("a", 2h);
  CHECK_EQ(a.count<acquired>(), 0);
  SUBCASE("ended") {
    auto ask = f.provider().last<get_connect_info>();
    f.world.send(as<dial_asker_actor>(ask.asker),
                 leftovers_ended{instance_id{"old"}, lost, true, ""});
    CHECK_EQ(a.count<acquired>(), 1);
  }
  SUBCASE("not ended in time: it is when the host comes back") {
    f.world.run_for(11min);
    REQUIRE_EQ(f.provider().count<decrease>(), 1);
    f.world.send(f.it,
                 decreased{{instance_id{"old"}}, {instance_id{"old"}}, {}});
    f.cloud.clear();
    f.list();
    f.world.send(f.it, increased{1, 1, {}});
    f.boots("old");
    CHECK_EQ(f.dialer.count<end_leftovers>(), 2);
    CHECK_EQ(f.dialer.last<end_leftovers>().key, lost);
    CHECK_EQ(a.count<acquired>(), 0);
  }
}

TEST_CASE("a job that goes on is not among what is ended on its host") {
  fixture f;
  f.keeps_instances = true;
  acquisition_key mine{"r-mine"};
  auto job = f.world.spawn_probe<acquirer_actor>();
  f.start();
  f.world.send(f.it, claim{mine,
                           instance_id{"old"},
                           0,
                           {"job", caf::actor_cast<caf::actor>(job.handle)}});
  f.cloud.push_back({instance_id{"old"}, cloud_state::running});
  f.begin_started({{instance_id{"old"}, 1, 0, "pinned", {mine}, {mine}}});
  f.connect("old");
  CHECK_EQ(f.dialer.count<end_leftovers>(), 0);
  CHECK_EQ(job.count<acquired>(), 1);
}

TEST_CASE("deletions that are refused are tried as often as configured when "
          "shutting down") {
  fixture f;
  f.scaler().delete_instances_on_shutdown = true;
  f.scaler().shutdown_deletion_retries = 2;
  f.scaler().shutdown_deletion_interval = 5s;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  f.world.send(f.it, drain{60'000});
  auto refused = error_of(provider_errc::call_failed, "no");
  CHECK_EQ(f.provider().count<decrease>(), 1);
  f.world.send(f.it, decreased{{instance_id{"i-1"}}, {}, refused});
  f.world.run_for(4s);
  CHECK_EQ(f.provider().count<decrease>(), 1);
  f.world.run_for(2s);
  CHECK_EQ(f.provider().count<decrease>(), 2);
  f.world.send(f.it, decreased{{instance_id{"i-1"}}, {}, refused});
  f.world.run_for(60s);
  CHECK_EQ(f.provider().count<decrease>(), 2);
  CHECK_EQ(f.runner.last<drained>().left, 1);
}
