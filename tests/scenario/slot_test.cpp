#include "actors/slot/slot.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("a slot has itself cleaned when its holder dies") {
  test::virtual_system world;
  auto instance = world.spawn_probe<slot_parent_actor>();
  auto job = world.spawn_idle();
  auto slot = world.take(spawn_slot(world.sys, instance.handle, 0));
  world.send(slot, occupy_slot{acquisition_key{"a"}, {"job:a", job}});
  CHECK_EQ(instance.last<slot_status>().phase, slot_phase::held);
  world.stop(job);
  CHECK_EQ(instance.last<clean_slot>().key, acquisition_key{"a"});
  CHECK_EQ(instance.last<slot_status>().phase, slot_phase::cleaning);
  world.send(slot, slot_cleaned{acquisition_key{"a"}, true});
  CHECK_EQ(instance.last<slot_status>().phase, slot_phase::free);
}

TEST_CASE("a slot stops when its instance dies") {
  test::virtual_system world;
  auto instance = world.spawn_probe<slot_parent_actor>();
  auto slot = world.take(spawn_slot(world.sys, instance.handle, 0));
  auto watcher = world.spawn_probe<caf::actor>();
  bool down = false;
  auto w = world.sys.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->set_down_handler([&](const caf::down_msg&) { down = true; });
    self->monitor(slot);
    return {[](int) {}};
  });
  world.keep(w);
  world.run();
  world.stop(instance.handle);
  CHECK(down);
}
