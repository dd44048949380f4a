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
    it = world.spawn(instance, setup);
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
    world.send(it, connect_info_found{setup.id, {}, {}});
    world.send(it, dialed{setup.id, "ssh-ed25519 AAAA", {}});
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
  f.world.send(f.it, connect_info_found{f.setup.id, info, {}});
  REQUIRE_EQ(f.dialer.count<dial>(), 1);
  CHECK_EQ(f.dialer.last<dial>().info.host, "10.0.0.1");
  CHECK_EQ(f.phase(), instance_phase::preparing);
  f.world.send(f.it, dialed{f.setup.id, "ssh-ed25519 AAAA", {}});
  CHECK_EQ(f.phase(), instance_phase::ready);
  CHECK_EQ(f.journal.last<write_instance>().host_key, "ssh-ed25519 AAAA");
}

TEST_CASE("the host key that an earlier manager pinned is asked for") {
  fixture f;
  f.setup.host_key = "ssh-ed25519 PINNED";
  f.start();
  f.world.send(f.it, provider_state{cloud_state::running});
  f.world.send(f.it, connect_info_found{f.setup.id, {}, {}});
  CHECK_EQ(f.dialer.last<dial>().info.host_key, "ssh-ed25519 PINNED");
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

TEST_CASE("an instance that cannot be dialed goes away and says why") {
  fixture f;
  f.start();
  f.world.send(f.it, provider_state{cloud_state::running});
  f.world.send(f.it, connect_info_found{f.setup.id, {}, {}});
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
  f.world.send(f.it, connect_info_found{f.setup.id, {}, {}});
  f.world.send(f.it, dialed{f.setup.id, "k", {}});
  f.give_slot("a", 1, job);
  CHECK(f.group.last<slot_occupied>().accepted);
  CHECK_EQ(f.group.last<instance_status>().use_count, 1);
  f.give_slot("b", 1, job);
  CHECK_FALSE(f.group.last<slot_occupied>().accepted);
  f.give_slot("c", 7, job);
  CHECK_FALSE(f.group.last<slot_occupied>().accepted);
  CHECK_EQ(f.group.last<instance_status>().use_count, 1);
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

TEST_CASE("a dead slot makes its instance go away") {
  fixture f;
  f.make_ready();
  auto job = f.world.spawn_idle();
  auto slot = f.give_slot("a", 0, job);
  f.world.stop(slot.handle);
  CHECK_EQ(f.phase(), instance_phase::deleting);
  CHECK(f.ends.empty());
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
  SUBCASE("dead: removed at once") {
    f.world.send(
      f.it, heartbeat_answered{f.setup.id, error_of(provider_errc::not_found,
                                                    "no such process")});
    REQUIRE_EQ(f.ends.size(), 1);
    CHECK(is(f.ends.front(), instance_errc::removed_externally));
    CHECK_NE(text_of(f.ends.front()).find("no such process"),
             std::string::npos);
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
  f.setup.use_count = 1;
  f.setup.claims.push_back({acquisition_key{"a"}, 1, {"job", job}});
  f.make_ready();
  auto told = f.group.last<slot_occupied>();
  CHECK(told.accepted);
  CHECK_EQ(told.key, acquisition_key{"a"});
  auto status = f.group.last<instance_status>();
  CHECK_EQ(status.slots[1].phase, slot_phase::held);
  CHECK_EQ(status.use_count, 1);
}
