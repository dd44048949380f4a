#include "actors/instance/instance.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct fixture {
  test::virtual_system world;
  test::probe<instance_parent_actor> group
    = world.spawn_probe<instance_parent_actor>();
  test::probe<provider_gate_actor> gate
    = world.spawn_probe<provider_gate_actor>();
  test::probe<dialer_actor> dialer = world.spawn_probe<dialer_actor>();
  test::probe<journal_actor> journal = world.spawn_probe<journal_actor>();
  instance_setup setup;
  instance_actor it;
  std::vector<caf::error> ends;

  fixture() {
    setup.role = "instance:i-1";
    setup.group = "g";
    setup.id = instance_id{"i-1"};
    setup.options.capacity = 2;
    setup.parent = group.handle;
    setup.provider = gate.handle;
    setup.dialer = dialer.handle;
    setup.journal = journal.handle;
  }

  void start() {
    it = world.take(spawn_instance(world.sys, setup));
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

  void make_ready() {
    start();
    world.send(it, provider_state{cloud_state::running});
    find_way();
    world.send(it, dialed{setup.id, "ssh-ed25519 AAAA", {}});
  }

  /// The provider knows the way, the journal no key.
  void find_way(const connect_info& info = {}) {
    world.send(it, connect_info_found{setup.id, info, {}});
    world.send(it, host_key_found{setup.id, "", {}});
  }

  instance_phase phase() const {
    return group.last<instance_status>().phase;
  }

  peer give_slot(const char* key, int32_t slot, const caf::actor& job) {
    world.send(it, occupy{acquisition_key{key}, slot, {"job", job}});
    return group.last<slot_occupied>().slot_peer;
  }
};

} // namespace

TEST_CASE("an instance prepares itself once it runs") {
  fixture f;
  f.start();
  f.world.send(f.it, provider_state{cloud_state::creating});
  CHECK_EQ(f.gate.count<get_connect_info>(), 0);
  f.world.send(f.it, provider_state{cloud_state::running});
  REQUIRE_EQ(f.gate.count<get_connect_info>(), 1);
  connect_info info;
  info.host = "10.0.0.1";
  f.find_way(info);
  REQUIRE_EQ(f.dialer.count<dial>(), 1);
  CHECK_EQ(f.dialer.last<dial>().info.host, "10.0.0.1");
  CHECK_EQ(f.phase(), instance_phase::preparing);
  f.world.send(f.it, dialed{f.setup.id, "ssh-ed25519 AAAA", {}});
  CHECK_EQ(f.phase(), instance_phase::ready);
  CHECK_EQ(f.journal.last<write_instance>().host_key, "ssh-ed25519 AAAA");
}

TEST_CASE("the pinned host key is asked for before each first dial") {
  fixture f;
  f.start();
  f.world.send(f.it, provider_state{cloud_state::running});
  SUBCASE("pinned: only that key will do, and what to do else is known") {
    f.world.send(f.it, connect_info_found{f.setup.id, {}, {}});
    REQUIRE_EQ(f.journal.count<read_host_key>(), 1);
    CHECK_EQ(f.dialer.count<dial>(), 0);
    f.world.send(f.it, host_key_found{f.setup.id, "ssh-ed25519 PINNED", {}});
    CHECK_EQ(f.dialer.last<dial>().info.host_key, "ssh-ed25519 PINNED");
    CHECK_NE(
      f.dialer.last<dial>().pin_advice.find("muster known-hosts forget i-1"),
      std::string::npos);
  }
  SUBCASE("the provider's own key needs no pin") {
    connect_info info;
    info.host_key = "ssh-ed25519 GIVEN";
    f.world.send(f.it, connect_info_found{f.setup.id, info, {}});
    CHECK_EQ(f.journal.count<read_host_key>(), 0);
    CHECK_EQ(f.dialer.last<dial>().info.host_key, "ssh-ed25519 GIVEN");
    CHECK(f.dialer.last<dial>().pin_advice.empty());
  }
  SUBCASE("a journal that cannot be read: not dialed, but tried again") {
    f.world.send(f.it, connect_info_found{f.setup.id, {}, {}});
    f.world.send(
      f.it, host_key_found{f.setup.id, "",
                           error_of(journal_errc::not_readable, "damaged")});
    f.world.run_for(3s);
    CHECK_EQ(f.dialer.count<dial>(), 0);
    CHECK_EQ(f.gate.count<get_connect_info>(), 2);
  }
}

TEST_CASE("a ready command is tried until it succeeds") {
  fixture f;
  f.setup.options.ready_command = "cloud-init status --wait";
  f.make_ready();
  CHECK_EQ(f.dialer.count<run_command>(), 1);
  CHECK_EQ(f.phase(), instance_phase::preparing);
  f.world.send(f.it, command_ended{f.setup.id, 1, "not yet", {}});
  f.world.run_for(1s);
  CHECK_EQ(f.dialer.count<run_command>(), 1);
  f.world.run_for(2s);
  CHECK_EQ(f.dialer.count<run_command>(), 2);
  f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
  CHECK_EQ(f.phase(), instance_phase::ready);
}

TEST_CASE("an instance is given the helper image before it is ready") {
  fixture f;
  f.setup.options.ready_command = "true";
  f.setup.options.image = {"/a/helper.tar", "helper:1"};
  f.setup.options.engine_host = "unix:///x.sock";
  f.make_ready();
  CHECK(!f.dialer.last<run_command>().by_helper);
  f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
  REQUIRE_EQ(f.dialer.count<run_command>(), 2);
  auto look = f.dialer.last<run_command>();
  CHECK(look.by_helper);
  CHECK_EQ(look.command,
           "container-image --name helper:1 --host unix:///x.sock");
  CHECK(look.input_file.empty());
  SUBCASE("that has it") {
    f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
    CHECK_EQ(f.phase(), instance_phase::ready);
    CHECK_EQ(f.dialer.count<run_command>(), 2);
  }
  SUBCASE("that has it not: it is loaded") {
    f.world.send(f.it, command_ended{f.setup.id, 3, "", {}});
    REQUIRE_EQ(f.dialer.count<run_command>(), 3);
    auto load = f.dialer.last<run_command>();
    CHECK(load.by_helper);
    CHECK_EQ(load.input_file, "/a/helper.tar");
    CHECK_EQ(load.command, look.command + " --load");
    CHECK_EQ(f.phase(), instance_phase::preparing);
    f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
    CHECK_EQ(f.phase(), instance_phase::ready);
  }
  SUBCASE("that has no Engine yet: it is asked again") {
    f.world.send(f.it, command_ended{f.setup.id, 1, "no Engine", {}});
    CHECK_EQ(f.phase(), instance_phase::preparing);
    CHECK_NE(f.group.last<instance_status>().problem.find("no Engine"),
             std::string::npos);
    f.world.run_for(3s);
    CHECK_EQ(f.dialer.count<run_command>(), 3);
    CHECK_EQ(f.dialer.last<run_command>().command, look.command);
  }
  SUBCASE("whose disk is full: looked for anew, and tried until the deadline") {
    f.world.send(f.it, command_ended{f.setup.id, 3, "", {}});
    f.world.send(f.it, command_ended{f.setup.id, 1, "no space left", {}});
    f.world.run_for(3s);
    CHECK_EQ(f.dialer.last<run_command>().command, look.command);
    f.world.run_for(11min);
    CHECK_EQ(f.phase(), instance_phase::deleting);
    CHECK_NE(f.group.last<instance_status>().reason.find("no space left"),
             std::string::npos);
  }
}

TEST_CASE("an instance that does not become ready in time goes away") {
  fixture f;
  f.setup.options.ready_command = "false";
  f.setup.options.prepare_timeout = 10s;
  f.make_ready();
  for (int i = 0; i < 10 && f.phase() == instance_phase::preparing; ++i) {
    f.world.send(f.it, command_ended{f.setup.id, 7, "", {}});
    f.world.run_for(2s);
  }
  CHECK_EQ(f.phase(), instance_phase::deleting);
  auto reason = f.group.last<instance_status>().reason;
  CHECK_NE(reason.find("ready up preparation failed"), std::string::npos);
  CHECK_NE(reason.find("exit code 7"), std::string::npos);
}

TEST_CASE("a provider that never answers does not hold an instance for ever") {
  fixture f;
  f.start();
  f.world.send(f.it, provider_state{cloud_state::running});
  f.world.run_for(10min + 1s);
  CHECK_EQ(f.phase(), instance_phase::deleting);
}

TEST_CASE("an instance that never runs goes away, however often it is listed") {
  fixture f;
  f.start();
  for (int minute = 0; minute < 29; ++minute) {
    f.world.send(f.it, provider_state{cloud_state::creating});
    f.world.run_for(1min);
  }
  CHECK_EQ(f.phase(), instance_phase::creating);
  SUBCASE("it is still being made") {
    f.world.run_for(1min + 1s);
    CHECK_EQ(f.phase(), instance_phase::deleting);
    CHECK(f.group.last<instance_status>().failed);
    CHECK_EQ(f.group.last<instance_status>().reason,
             "it did not run within 30 minutes");
  }
  SUBCASE("it runs at last") {
    f.world.send(f.it, provider_state{cloud_state::running});
    f.world.run_for(5min);
    CHECK_EQ(f.phase(), instance_phase::preparing);
  }
}

TEST_CASE("an instance that cannot be dialed goes away and says why") {
  fixture f;
  f.start();
  f.world.send(f.it, provider_state{cloud_state::running});
  f.find_way();
  f.world.send(
    f.it, dialed{f.setup.id, "",
                 error_of(connection_errc::host_key_mismatch, "another key")});
  CHECK_EQ(f.phase(), instance_phase::deleting);
  CHECK_NE(f.group.last<instance_status>().reason.find("another key"),
           std::string::npos);
  CHECK_EQ(f.dialer.count<hang_up>(), 1);
}

TEST_CASE("a slot is given only once and only while ready") {
  fixture f;
  f.start();
  auto job = f.world.spawn_idle();
  f.world.send(f.it, occupy{acquisition_key{"early"}, 0, {"job", job}});
  CHECK_FALSE(f.group.last<slot_occupied>().accepted);
  f.world.send(f.it, provider_state{cloud_state::running});
  f.find_way();
  f.world.send(f.it, dialed{f.setup.id, "k", {}});
  auto told = f.group.count<instance_status>();
  f.give_slot("a", 1, job);
  CHECK(f.group.last<slot_occupied>().accepted);
  CHECK_EQ(f.group.count<instance_status>(), told); // that told it
  f.give_slot("b", 1, job);
  CHECK_FALSE(f.group.last<slot_occupied>().accepted);
  f.give_slot("c", 7, job);
  CHECK_FALSE(f.group.last<slot_occupied>().accepted);
  f.world.send(f.it, retire{"surplus"});
  auto all = f.group.last<instance_status>();
  CHECK_EQ(all.use_count, 1);
  CHECK_EQ(all.slots.at(1).key, acquisition_key{"a"});
}

TEST_CASE("a retiring instance waits for its jobs and their cleaning") {
  fixture f;
  f.make_ready();
  auto job = f.world.spawn_idle();
  auto slot = f.give_slot("a", 0, job);
  f.world.send(f.it, retire{"surplus"});
  CHECK_EQ(f.phase(), instance_phase::draining);
  f.world.send(as<slot_actor>(slot), vacate_slot{acquisition_key{"a"}});
  CHECK_EQ(f.phase(), instance_phase::draining);
  CHECK_EQ(f.dialer.last<end_leftovers>().key, acquisition_key{"a"});
  f.world.send(f.it,
               leftovers_ended{f.setup.id, acquisition_key{"a"}, true, ""});
  CHECK_EQ(f.phase(), instance_phase::deleting);
}

TEST_CASE("a slot that cannot be proven clean makes its instance go away") {
  fixture f;
  f.make_ready();
  auto job = f.world.spawn_idle();
  f.give_slot("a", 0, job);
  f.world.stop(job);
  f.world.send(f.it,
               leftovers_ended{f.setup.id, acquisition_key{"a"}, false, "?"});
  CHECK_EQ(f.phase(), instance_phase::deleting);
}

TEST_CASE("a dead slot takes the instance's actor with it, not the machine") {
  fixture f;
  f.make_ready();
  auto job = f.world.spawn_idle();
  auto slot = f.give_slot("a", 0, job);
  f.world.stop(slot.handle);
  CHECK_EQ(f.ends, std::vector<caf::error>{caf::exit_reason::kill});
  CHECK_EQ(f.phase(), instance_phase::ready); // was the last that was told
}

TEST_CASE("a removed instance takes its slots with it and says so") {
  fixture f;
  f.make_ready();
  auto job = f.world.spawn_idle();
  auto slot = f.give_slot("a", 0, job);
  caf::error reason;
  auto watcher
    = f.world.sys.spawn([&](caf::event_based_actor* self) -> caf::behavior {
        self->set_down_handler(
          [&](const caf::down_msg& x) { reason = x.reason; });
        self->monitor(slot.handle);
        return {[](int) {}};
      });
  f.world.keep(watcher);
  f.world.run();
  f.world.send(f.it, removed_from_cloud{"instance externally removed: gone"});
  REQUIRE_EQ(f.ends.size(), 1);
  CHECK(is(f.ends.front(), instance_errc::removed_externally));
  CHECK(is(reason, instance_errc::removed_externally));
  CHECK_EQ(text_of(reason), "instance externally removed: gone");
}

TEST_CASE("an instance that was deleted on purpose ends in order") {
  fixture f;
  f.make_ready();
  f.world.send(f.it, retire{"idle"});
  f.world.send(f.it, removed_from_cloud{"not listed any more"});
  REQUIRE_EQ(f.ends.size(), 1);
  CHECK(is(f.ends.front(), instance_errc::retired));
}

TEST_CASE(
  "a broken connection asks the cloud before the instance is given up") {
  fixture f;
  f.make_ready();
  auto lost = error_of(connection_errc::lost, "reset");
  f.world.send(f.it, connection_health{f.setup.id, false, 1, false, lost});
  CHECK_EQ(f.gate.count<heartbeat>(), 1);
  SUBCASE("alive: the connection is made again") {
    f.world.send(f.it, heartbeat_answered{f.setup.id, {}});
    CHECK_EQ(f.phase(), instance_phase::ready);
    f.world.send(f.it, connection_health{f.setup.id, true, 0, false, {}});
    CHECK_EQ(f.group.last<instance_status>().failures, 0);
    CHECK(f.ends.empty());
  }
  SUBCASE("not there: removed at once") {
    f.world.send(
      f.it, heartbeat_answered{f.setup.id, error_of(provider_errc::not_found,
                                                    "no such process")});
    REQUIRE_EQ(f.ends.size(), 1);
    CHECK(is(f.ends.front(), instance_errc::removed_externally));
    CHECK_NE(text_of(f.ends.front()).find("no such process"),
             std::string::npos);
  }
  auto refused = heartbeat_answered{
    f.setup.id, error_of(provider_errc::call_failed, "rate limit exceeded")};
  SUBCASE("said to be dead: asked again within seconds, and given up then") {
    f.world.send(f.it, refused);
    CHECK(f.ends.empty());
    CHECK_EQ(f.phase(), instance_phase::ready);
    f.world.run_for(3s);
    REQUIRE_EQ(f.gate.count<heartbeat>(), 2);
    f.world.send(f.it, refused);
    REQUIRE_EQ(f.ends.size(), 1);
    CHECK(is(f.ends.front(), instance_errc::removed_externally));
  }
  SUBCASE("said to be dead once: not given up") {
    f.world.send(f.it, refused);
    f.world.run_for(3s);
    f.world.send(f.it, heartbeat_answered{f.setup.id, {}});
    // The next time it has two looks again.
    f.world.send(f.it, connection_health{f.setup.id, false, 2, false, lost});
    f.world.send(f.it, refused);
    f.world.run_for(1s);
    CHECK(f.ends.empty());
  }
  SUBCASE("connected again before the second look: it is not asked for") {
    f.world.send(f.it, refused);
    f.world.send(f.it, connection_health{f.setup.id, true, 0, false, {}});
    f.world.run_for(1min);
    CHECK_EQ(f.gate.count<heartbeat>(), 1);
    CHECK(f.ends.empty());
  }
  SUBCASE("however quickly it fails, it is not unhealthy before its time") {
    f.world.send(f.it, connection_health{f.setup.id, false, 9, false, lost});
    CHECK_EQ(f.phase(), instance_phase::ready);
    CHECK_LT(f.group.last<instance_status>().failures,
             f.setup.options.failure_threshold);
  }
  SUBCASE("unreachable for too long: it drains") {
    f.world.send(f.it, connection_health{f.setup.id, false, 3, true, lost});
    CHECK_EQ(f.phase(), instance_phase::deleting);
  }
}

TEST_CASE(
  "a cloud that removes an instance by itself gets no more jobs there") {
  fixture f;
  f.make_ready();
  auto job = f.world.spawn_idle();
  f.give_slot("a", 0, job);
  f.world.send(f.it, provider_state{cloud_state::deleting});
  CHECK_EQ(f.phase(), instance_phase::draining);
  f.give_slot("b", 1, job);
  CHECK_FALSE(f.group.last<slot_occupied>().accepted);
}

TEST_CASE("an instance and its slots stop when their group dies") {
  fixture f;
  f.make_ready();
  f.world.stop(f.group.handle);
  CHECK_EQ(f.ends.size(), 1);
}

TEST_CASE("a job that held a slot before the actor was there keeps it") {
  fixture f;
  auto job = f.world.spawn_idle();
  f.setup.use_count = 4;
  f.setup.claims.push_back({acquisition_key{"a"}, 1, {"job", job}});
  f.make_ready();
  auto told = f.group.last<slot_occupied>();
  CHECK(told.accepted);
  CHECK_EQ(told.key, acquisition_key{"a"});
  auto status = f.group.last<instance_status>();
  CHECK_EQ(status.slots[1].phase, slot_phase::held);
  CHECK_EQ(status.use_count, 5);
}

TEST_CASE(
  "a machine that refuses connections while it boots is not unhealthy") {
  fixture f;
  f.start();
  f.world.send(f.it, provider_state{cloud_state::running});
  f.find_way();
  auto refused = error_of(connection_errc::unreachable, "refused");
  for (int i = 1; i < 8; ++i)
    f.world.send(f.it, connection_health{f.setup.id, false, i, false, refused});
  CHECK_EQ(f.phase(), instance_phase::preparing);
  CHECK_EQ(f.group.last<instance_status>().failures, 0);
  CHECK_EQ(f.group.last<instance_status>().problem, "refused");
}

TEST_CASE("a machine that does not work says so when it goes") {
  fixture f;
  f.make_ready();
  SUBCASE("surplus") {
    f.world.send(f.it, retire{"idle"});
    CHECK_FALSE(f.group.last<instance_status>().failed);
  }
  SUBCASE("given up") {
    f.world.send(f.it, connection_health{f.setup.id, false, 3, true,
                                         error_of(connection_errc::lost, "x")});
    CHECK(f.group.last<instance_status>().failed);
  }
  SUBCASE("not clean") {
    auto job = f.world.spawn_idle();
    f.give_slot("a", 0, job);
    f.world.stop(job);
    f.world.send(f.it,
                 leftovers_ended{f.setup.id, acquisition_key{"a"}, false, "?"});
    CHECK(f.group.last<instance_status>().failed);
  }
}

TEST_CASE("a provider may give less time than the group") {
  fixture f;
  f.start();
  f.world.send(f.it, provider_state{cloud_state::running});
  connect_info info;
  info.timeout_ms = 60'000;
  f.find_way(info);
  f.world.run_for(59s);
  CHECK_EQ(f.phase(), instance_phase::preparing);
  f.world.run_for(2s);
  CHECK_EQ(f.phase(), instance_phase::deleting);
}

TEST_CASE("what earlier jobs left on a machine is ended before it is ready") {
  fixture f;
  acquisition_key first{"abc-1"};
  acquisition_key second{"abc-2"};
  f.setup.leftovers = {first, second};
  auto job = f.world.spawn_idle();
  f.setup.claims.push_back({acquisition_key{"abc-mine"}, 1, {"job", job}});
  f.make_ready();
  CHECK_EQ(f.phase(), instance_phase::preparing);
  std::vector<acquisition_key> keys;
  for (const auto& x : f.dialer.all<end_leftovers>())
    keys.push_back(x.key);
  CHECK_EQ(keys, std::vector{first, second});
  CHECK_EQ(f.dialer.count<run_command>(), 0); // nothing else is looked for
  f.world.send(f.it, leftovers_ended{f.setup.id, first, true, ""});
  CHECK_EQ(f.phase(), instance_phase::preparing);
  CHECK_EQ(f.journal.last<forget_leftover>().key, first);
  f.world.send(f.it,
               leftovers_ended{f.setup.id, second, false, "it will not die"});
  CHECK_EQ(f.phase(), instance_phase::preparing);
  f.world.run_for(3s);
  CHECK_EQ(f.dialer.last<end_leftovers>().key, second);
  CHECK_EQ(f.journal.count<forget_leftover>(), 1);
  f.world.send(f.it, leftovers_ended{f.setup.id, second, true, ""});
  CHECK_EQ(f.phase(), instance_phase::ready);
  CHECK_EQ(f.journal.last<forget_leftover>().key, second);
}

TEST_CASE("whose jobs are on an instance is written until they are proven "
          "gone") {
  fixture f;
  f.make_ready();
  auto job = f.world.spawn_idle();
  acquisition_key key{"a"};
  f.give_slot("a", 0, job);
  REQUIRE_EQ(f.journal.count<write_leftover>(), 1);
  CHECK_EQ(f.journal.last<write_leftover>().group, "g");
  CHECK_EQ(f.journal.last<write_leftover>().instance, f.setup.id);
  CHECK_EQ(f.journal.last<write_leftover>().key, key);
  f.world.stop(job);
  CHECK_EQ(f.journal.count<forget_leftover>(), 0);
  f.world.send(f.it, leftovers_ended{f.setup.id, key, false, "no"});
  CHECK_EQ(f.journal.count<forget_leftover>(), 0);
  f.world.send(f.it, leftovers_ended{f.setup.id, key, true, ""});
  CHECK_EQ(f.journal.count<forget_leftover>(), 1);
}

TEST_CASE("a slot is given out only after a sign of life, if so wished") {
  fixture f;
  f.setup.options.heartbeat = true;
  f.make_ready();
  auto job = f.world.spawn_idle();
  f.give_slot("a", 0, job);
  f.give_slot("b", 1, job);
  CHECK_EQ(f.group.count<slot_occupied>(), 0);
  REQUIRE_EQ(f.dialer.count<run_command>(), 1); // one for both
  CHECK_EQ(f.dialer.last<run_command>().command, "exit 0");
  SUBCASE("alive") {
    f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
    REQUIRE_EQ(f.group.count<slot_occupied>(), 2);
    CHECK(f.group.all<slot_occupied>()[0].accepted);
    CHECK(f.group.all<slot_occupied>()[1].accepted);
  }
  SUBCASE("silent: others are tried, and at the third time it goes") {
    auto silence = error_of(connection_errc::timed_out, "no answer");
    f.world.send(f.it, command_ended{f.setup.id, -1, "", silence});
    REQUIRE_EQ(f.group.count<slot_occupied>(), 2);
    CHECK_FALSE(f.group.all<slot_occupied>()[0].accepted);
    CHECK_EQ(f.group.last<instance_status>().failures, 1);
    CHECK_EQ(f.phase(), instance_phase::ready);
    for (int i = 0; i < 2; ++i) {
      f.give_slot("a", 0, job);
      f.world.send(f.it, command_ended{f.setup.id, -1, "", silence});
    }
    CHECK_EQ(f.phase(), instance_phase::deleting);
    CHECK(f.group.last<instance_status>().failed);
  }
  SUBCASE("retired meanwhile") {
    f.world.send(f.it, retire{"idle"});
    REQUIRE_EQ(f.group.count<slot_occupied>(), 2);
    CHECK_FALSE(f.group.last<slot_occupied>().accepted);
    CHECK_EQ(f.phase(), instance_phase::deleting);
    f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
    CHECK_EQ(f.group.count<slot_occupied>(), 2);
  }
  auto lost = error_of(connection_errc::lost, "reset");
  SUBCASE("the connection breaks over it: asked again when it is there") {
    f.world.send(f.it, connection_health{f.setup.id, false, 1, false, lost});
    f.world.send(f.it, command_ended{f.setup.id, -1, "", lost});
    f.give_slot("a", 0, job); // taken already
    CHECK_EQ(f.group.count<slot_occupied>(), 1);
    CHECK_EQ(f.dialer.count<run_command>(), 1);
    f.world.send(f.it, connection_health{f.setup.id, true, 0, false, {}});
    REQUIRE_EQ(f.dialer.count<run_command>(), 2);
    f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
    REQUIRE_EQ(f.group.count<slot_occupied>(), 3);
    CHECK(f.group.last<slot_occupied>().accepted);
    CHECK_EQ(f.phase(), instance_phase::ready);
  }
  SUBCASE("the connection breaks over it and is given up") {
    f.world.send(f.it, connection_health{f.setup.id, false, 1, false, lost});
    f.world.send(f.it, command_ended{f.setup.id, -1, "", lost});
    CHECK_EQ(f.group.count<slot_occupied>(), 0);
    f.world.send(f.it, connection_health{f.setup.id, false, 5, true, lost});
    REQUIRE_EQ(f.group.count<slot_occupied>(), 2);
    CHECK_FALSE(f.group.last<slot_occupied>().accepted);
    CHECK_EQ(f.phase(), instance_phase::deleting);
  }
}

TEST_CASE("while the connection is broken no sign of life is asked for") {
  fixture f;
  f.setup.options.heartbeat = true;
  f.make_ready();
  auto job = f.world.spawn_idle();
  f.world.send(f.it, connection_health{f.setup.id, false, 1, false,
                                       error_of(connection_errc::lost, "")});
  f.give_slot("a", 0, job);
  CHECK_EQ(f.dialer.count<run_command>(), 0);
  CHECK_EQ(f.group.count<slot_occupied>(), 0);
  SUBCASE("by the same actor") {
    f.world.send(f.it, connection_health{f.setup.id, true, 0, false, {}});
  }
  SUBCASE("by another one, which dialed anew") {
    f.world.send(f.it, dialed{f.setup.id, "key", {}});
  }
  CHECK_EQ(f.dialer.count<run_command>(), 1);
  f.world.send(f.it, command_ended{f.setup.id, 0, "", {}});
  REQUIRE_EQ(f.group.count<slot_occupied>(), 1);
  CHECK(f.group.last<slot_occupied>().accepted);
}

TEST_CASE("expired connect info is asked for anew and passed on") {
  fixture f;
  f.make_ready();
  auto asked = f.gate.count<get_connect_info>();
  f.world.send(f.it, info_wanted{f.setup.id});
  CHECK_EQ(f.gate.count<get_connect_info>(), asked + 1);
  connect_info info;
  info.host = "10.0.0.2";
  f.world.send(f.it, connect_info_found{f.setup.id, info, {}});
  CHECK_EQ(f.dialer.last<renew_info>().info.host, "10.0.0.2");
  CHECK_EQ(f.dialer.count<dial>(), 1);
  f.world.send(f.it, connect_info_found{f.setup.id, info, {}}); // unasked
  CHECK_EQ(f.dialer.count<renew_info>(), 1);
}
