// Who gets which slot, and who is promised one (reference/autoscaling, section
// 7), on the group's books as its actor keeps them.

#include "actors/group/decision.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr group_time start = group_time{} + 1h;

struct books {
  fleet instances;
  reservations promises;
  scaling policy;
  uint64_t version = 0;

  explicit books(fleet_limits limits) : instances(limits) {
    policy.capacity_per_instance = limits.capacity_per_instance;
  }

  void ready(const std::string& name) {
    instances.add(instance_id{name}, instance_cause::requested, start);
    report(name, {}, 0);
  }

  void report(const std::string& name, std::vector<slot_facts> slots,
              int used) {
    slots.resize(static_cast<size_t>(instances.limits().capacity_per_instance));
    instance_report x;
    x.instance = instance_id{name};
    x.phase = instance_phase::ready;
    x.slots = std::move(slots);
    x.use_count = used;
    x.version = ++version;
    REQUIRE(instances.update(x, start));
  }

  bool reserve(const std::string& key, int idle, bool preemptive) {
    return promises
      .reserve(acquisition_key{key}, room_of(instances, policy, 0), idle,
               preemptive)
      .has_value();
  }

  std::string acquire(const std::string& name) {
    acquisition_key key{name};
    REQUIRE(reserve(name, 0, false));
    REQUIRE(promises.wait(key, start, never));
    for (const auto& x : assign_slots(instances, promises))
      promises.confirm(x.key);
    instances.occupy_accepted(key);
    auto at = instances.place_of(key);
    return at ? at->instance.value + "/" + std::to_string(at->slot) : "none";
  }

  void release(const std::string& name) {
    auto at = instances.place_of(acquisition_key{name});
    REQUIRE(at);
    const auto* x = instances.find(at->instance);
    auto slots = x->told.slots;
    slots[static_cast<size_t>(at->slot)] = {};
    report(at->instance.value, slots, x->told.use_count);
  }
};

} // namespace

TEST_CASE("slots are given out oldest instance first, lowest slot first") {
  books group{{.capacity_per_instance = 3}};
  group.ready("i1");
  group.ready("i2");
  CHECK_EQ(group.acquire("k0"), "i1/0");
  CHECK_EQ(group.acquire("k1"), "i1/1");
  CHECK_EQ(group.acquire("k2"), "i1/2");
  CHECK_EQ(group.acquire("k3"), "i2/0");
  CHECK_EQ(group.acquire("k4"), "i2/1");
  group.release("k1");
  group.release("k3");
  CHECK_EQ(group.acquire("k5"), "i1/1");
  CHECK_EQ(group.acquire("k6"), "i2/0");
  CHECK_EQ(group.acquire("k7"), "i2/2");
}

TEST_CASE("preemptive reservations are granted for idle slots only") {
  books group{{.capacity_per_instance = 2}};
  group.policy.max_instances = 4;
  group.instances.add(instance_id{"i1"}, instance_cause::requested, start);
  group.instances.add(instance_id{"i2"}, instance_cause::requested, start);
  auto room = room_of(group.instances, group.policy, 0);
  CHECK_EQ(capacity_left(room, 0).potential, 8);
  CHECK_FALSE(group.reserve("early", 3, true));
  group.report("i1", {}, 0);
  group.report("i2", {}, 0);
  for (auto i = 0; i < 4; ++i) {
    room = room_of(group.instances, group.policy, 0);
    auto left = capacity_left(room, group.promises.reserved());
    CHECK_EQ(left.available, 4 - i);
    CHECK_EQ(left.potential, 8 - i);
    CHECK(group.reserve("k" + std::to_string(i), 3, true));
  }
  CHECK_FALSE(group.reserve("fifth", 3, true));
  for (auto i = 4; i < 8; ++i)
    CHECK(group.reserve("k" + std::to_string(i), 3, false));
  CHECK_FALSE(group.reserve("ninth", 3, false));
}

TEST_CASE("a use limit makes slots unavailable, then ends the instance") {
  // The peer's time-line: max 2, capacity 2, use limit 3, a key at a time.
  books group{{.capacity_per_instance = 2, .max_use_count = 3}};
  group.ready("i1");
  for (const auto* key : {"k0", "k1"}) {
    CHECK_EQ(group.acquire(key), "i1/0");
    group.release(key);
  }
  CHECK_EQ(group.instances.counts().idle, 1);
  CHECK_EQ(group.instances.counts().unavailable, 1);
  CHECK_EQ(group.acquire("k2"), "i1/0");
  CHECK_EQ(group.instances.counts().acquired, 1);
  CHECK_EQ(group.instances.counts().unavailable, 1);
  CHECK_EQ(group.instances.counts().idle, 0);
  group.release("k2");
  auto plan = group.instances.choose_retirements(0, 1h, 0, start);
  CHECK_EQ(plan.retire, std::vector<retirement>{
                          {instance_id{"i1"}, retire_reason::max_use_count}});
}

TEST_CASE("slots of an instance that is being removed are not promised") {
  // The peer counts them: it reports idle 3, available 3, potential 3 here.
  books group{{.capacity_per_instance = 2}};
  group.policy.max_instances = 2;
  group.ready("i1");
  group.ready("i2");
  group.instances.cordon(instance_id{"i1"}, retire_reason::max_idle_time);
  CHECK_EQ(group.acquire("k0"), "i2/0");
  auto room = room_of(group.instances, group.policy, 0);
  CHECK_EQ(room.idle, 1);
  CHECK_EQ(capacity_left(room, 0).available, 1);
  CHECK_EQ(capacity_left(room, 0).potential, 3);
}
