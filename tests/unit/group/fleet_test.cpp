#include "actors/group/fleet.hpp"

#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace muster;
using namespace muster::test;

TEST_CASE("an instance is counted by its phase and its slots") {
  struct row {
    const char* what;
    instance_phase phase;
    std::vector<slot_facts> slots;
    int used;
    int failures;
    fleet_counts counts;
  };
  using enum instance_phase;
  const slot_facts unusable{slot_phase::unusable, key_of("x")};
  // present, instances, not_ready, acquired, unavailable, idle, cleaning
  const row rows[] = {
    {"creating", creating, {}, 0, 0, {1, 1, 1, 0, 0, 0, 0}},
    {"preparing", preparing, {}, 0, 0, {1, 1, 1, 0, 0, 0, 0}},
    {"ready", ready, {{}, {}, {}}, 0, 0, {1, 1, 0, 0, 0, 3, 0}},
    {"held", ready, {held_by("a"), {}, {}}, 1, 0, {1, 1, 0, 1, 0, 2, 0}},
    {"cleaning",
     ready,
     {cleaning_of("a"), {}, {}},
     1,
     0,
     {1, 1, 0, 0, 0, 2, 1}},
    {"fewer uses left than slots",
     ready,
     {{}, {}, {}},
     3,
     0,
     {1, 1, 0, 0, 1, 2, 0}},
    {"all uses under way",
     ready,
     {held_by("a"), {}, {}},
     5,
     0,
     {1, 1, 0, 1, 2, 0, 0}},
    {"worn out", ready, {{}, {}, {}}, 5, 0, {1, 0, 0, 0, 0, 0, 0}},
    {"worn out, used beyond the limit",
     ready,
     {{}, {}, {}},
     50,
     0,
     {1, 0, 0, 0, 0, 0, 0}},
    {"failing, still busy",
     ready,
     {held_by("a"), {}, {}},
     1,
     2,
     {1, 1, 0, 1, 2, 0, 0}},
    {"failing", ready, {{}, {}, {}}, 1, 2, {1, 0, 0, 0, 0, 0, 0}},
    {"failed once", ready, {{}, {}, {}}, 1, 1, {1, 1, 0, 0, 0, 3, 0}},
    {"a slot beyond use",
     ready,
     {unusable, {}, {}},
     1,
     0,
     {1, 0, 0, 0, 0, 0, 0}},
    {"a slot beyond use, another busy",
     ready,
     {unusable, held_by("a"), {}},
     2,
     0,
     {1, 1, 0, 1, 2, 0, 0}},
    {"draining, busy",
     draining,
     {held_by("a"), held_by("b"), {}},
     2,
     0,
     {1, 1, 0, 2, 1, 0, 0}},
    {"draining, being cleaned",
     draining,
     {cleaning_of("a"), {}, {}},
     2,
     0,
     {1, 1, 0, 0, 3, 0, 1}},
    {"draining", draining, {{}, {}, {}}, 2, 0, {1, 0, 0, 0, 0, 0, 0}},
    {"deleting", deleting, {{}, {}, {}}, 2, 0, {1, 0, 0, 0, 0, 0, 0}},
    {"made with fewer slots", ready, {{}}, 0, 0, {1, 1, 0, 0, 2, 1, 0}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    reporting_fleet x{
      {.capacity_per_instance = 3, .max_use_count = 5, .failure_threshold = 2}};
    x.discover("i");
    x.report("i", r.phase, r.slots, r.used, r.failures);
    CHECK(x.counts() == r.counts);
    x.drop(id_of("i"));
    CHECK(x.counts() == fleet_counts{});
  }
}

TEST_CASE("an instance that does not run yet has its use limit counted") {
  reporting_fleet x{{.capacity_per_instance = 4, .max_use_count = 1}};
  x.discover("i");
  CHECK_EQ(x.counts().unavailable, 3);
}

TEST_CASE("an older status, the same again, and a stranger's change nothing") {
  reporting_fleet x{{}};
  x.discover("i");
  REQUIRE(x.report("i", instance_phase::ready, {held_by("a")}, 1));
  x.version = 0;
  CHECK_FALSE(x.report("i", instance_phase::ready, {{}}, 0));
  CHECK_EQ(x.counts().acquired, 1);
  x.version = 100;
  CHECK_FALSE(x.report("stranger", instance_phase::ready, {{}}));
  CHECK_EQ(x.counts().present, 1);
}

TEST_CASE("an instance that is gone takes its slots with it") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  x.ready("i");
  REQUIRE(x.occupy({id_of("i"), 1}, key_of("a")));
  CHECK_EQ(x.underway(id_of("i")), std::vector{key_of("a")});
  CHECK(x.report("i", instance_phase::gone));
  CHECK_FALSE(x.place_of(key_of("a")));
  CHECK(x.counts() == fleet_counts{});
  CHECK(x.find(id_of("i")) == nullptr);
  CHECK(x.underway(id_of("i")).empty());
  x.occupy_accepted(key_of("a")); // the answer came too late
  x.occupy_refused(key_of("a"));
  CHECK(x.counts() == fleet_counts{});
}

TEST_CASE("instances age by when they were first seen running") {
  reporting_fleet x{{}};
  for (const auto* name : {"a", "b", "c"})
    x.discover(name);
  x.report("c", instance_phase::preparing);
  x.report("a", instance_phase::ready, {{}});
  x.report("c", instance_phase::ready, {{}});
  CHECK_EQ(x.instances(), std::vector{id_of("c"), id_of("a"), id_of("b")});
  CHECK_EQ(x.next_slot()->instance, id_of("c"));
}

TEST_CASE("a slot is taken from the moment it is given out") {
  reporting_fleet x{{.capacity_per_instance = 2, .max_use_count = 3}};
  x.ready("i");
  REQUIRE(x.occupy(*x.next_slot(), key_of("a")));
  CHECK_EQ(x.counts().acquired, 1);
  CHECK_EQ(x.next_slot()->slot, 1);
  SUBCASE("refused: it is free again") {
    x.occupy_refused(key_of("a"));
    CHECK_EQ(x.counts().acquired, 0);
    CHECK_EQ(x.next_slot()->slot, 0);
    CHECK_FALSE(x.place_of(key_of("a")));
  }
  SUBCASE("a status from before it changes nothing") {
    x.report("i", instance_phase::ready, {{}, {}});
    CHECK_EQ(x.counts().acquired, 1);
    CHECK_EQ(x.next_slot()->slot, 1);
  }
  SUBCASE("accepted: it is held before the status says so") {
    x.occupy_accepted(key_of("a"));
    CHECK(x.underway(id_of("i")).empty());
    CHECK_EQ(x.counts().acquired, 1);
    CHECK_EQ(uses(*x.find(id_of("i"))), 1);
  }
  SUBCASE("confirmed by the status, and counted once") {
    x.report("i", instance_phase::ready, {held_by("a"), {}}, 1);
    CHECK(x.underway(id_of("i")).empty());
    CHECK_EQ(x.counts().acquired, 1);
    x.occupy_refused(key_of("a")); // of no account any more
    CHECK_EQ(x.counts().acquired, 1);
    x.report("i", instance_phase::ready, {{}, {}}, 1);
    x.occupy_accepted(key_of("a")); // overtaken by the end of the job
    CHECK_EQ(x.counts().acquired, 0);
    CHECK_EQ(x.counts().idle, 2);
  }
  SUBCASE("held by another: the answer decides") {
    x.report("i", instance_phase::ready, {held_by("other"), {}}, 1);
    CHECK_EQ(x.counts().acquired, 1);
    CHECK_EQ(x.place_of(key_of("other"))->slot, 0);
    x.occupy_refused(key_of("a"));
    CHECK_EQ(x.counts().acquired, 1);
    CHECK_FALSE(x.place_of(key_of("a")));
  }
}

TEST_CASE("an answer that contradicts the status overrules it altogether") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  x.ready("i");
  REQUIRE(x.occupy({id_of("i"), 0}, key_of("a")));
  x.report("i", instance_phase::ready, {held_by("other"), {}}, 1);
  x.occupy_accepted(key_of("a"));
  CHECK_FALSE(x.place_of(key_of("other")));
  x.drop(id_of("i"));
  x.occupy_accepted(key_of("other"));
  x.occupy_refused(key_of("other"));
  CHECK(x.counts() == fleet_counts{});
}

TEST_CASE("an answer for a slot that is not told of any more is no harm") {
  reporting_fleet x{{.capacity_per_instance = 3}};
  x.ready("i");
  REQUIRE(x.occupy({id_of("i"), 2}, key_of("a")));
  x.report("i", instance_phase::ready, {{}});
  x.occupy_accepted(key_of("a"));
  CHECK_EQ(x.place_of(key_of("a"))->slot, 2);
  CHECK_EQ(x.counts().acquired, 1);
}

TEST_CASE("a slot cannot be taken twice, nor one that is not there") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  x.ready("i");
  x.report("i", instance_phase::ready, {cleaning_of("z"), {}}, 1);
  CHECK_FALSE(x.occupy({id_of("i"), 0}, key_of("a")));
  CHECK_FALSE(x.occupy({id_of("i"), 2}, key_of("a")));
  CHECK_FALSE(x.occupy({id_of("i"), -1}, key_of("a")));
  CHECK_FALSE(x.occupy({id_of("j"), 0}, key_of("a")));
  REQUIRE(x.occupy({id_of("i"), 1}, key_of("a")));
  CHECK(x.occupy({id_of("i"), 1}, key_of("a"))); // said again
  CHECK_FALSE(x.occupy({id_of("i"), 1}, key_of("b")));
}

TEST_CASE("a job that runs there claims its slot before the first status") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  x.discover("i");
  CHECK(x.occupy({id_of("i"), 1}, key_of("a")));
  CHECK_FALSE(x.occupy({id_of("i"), 2}, key_of("b")));
  CHECK_EQ(x.counts().acquired, 1);
  x.occupy_accepted(key_of("a"));
  CHECK_EQ(x.counts().acquired, 1);
}

TEST_CASE("no slot is given out of an instance without uses left") {
  reporting_fleet x{{.capacity_per_instance = 3, .max_use_count = 2}};
  x.ready("i");
  REQUIRE(x.occupy(*x.next_slot(), key_of("a")));
  REQUIRE(x.occupy(*x.next_slot(), key_of("b")));
  CHECK_FALSE(x.next_slot());
  x.occupy_refused(key_of("a"));
  CHECK_EQ(x.next_slot()->slot, 0);
}

TEST_CASE("changed limits are counted at once") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  x.ready("i");
  x.report("i", instance_phase::ready, {{}, {}}, 3);
  CHECK_EQ(x.counts().idle, 2);
  x.set_limits({.capacity_per_instance = 2, .max_use_count = 3});
  CHECK_EQ(x.counts().idle, 0);
  CHECK_FALSE(x.next_slot());
  x.set_limits({.capacity_per_instance = 0, .failure_threshold = 0});
  CHECK_EQ(x.limits().capacity_per_instance, 1);
  CHECK_EQ(x.limits().failure_threshold, 1);
}

TEST_CASE("an instance that the cloud deletes serves nobody") {
  reporting_fleet x{{}};
  x.ready("i");
  x.cloud_deletes(id_of("i"));
  x.cloud_deletes(id_of("stranger"));
  CHECK_FALSE(x.next_slot());
  CHECK(x.counts() == fleet_counts{.present = 1});
  CHECK(x.deletions_due(start + 1h).empty());
  SUBCASE("until it is told to stay") {
    x.cloud_keeps(id_of("i"));
    x.cloud_keeps(id_of("stranger"));
    CHECK(x.next_slot());
    CHECK_EQ(x.counts().instances, 1);
  }
}

TEST_CASE("the sums are those of the instances, whatever happened") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  auto below
    = [&chance](unsigned bound) { return static_cast<int>(chance() % bound); };
  reporting_fleet x{{.capacity_per_instance = 2, .max_use_count = 4}};
  auto name = [&below] { return "i" + std::to_string(below(6)); };
  auto key = [&below] { return key_of("k" + std::to_string(below(8))); };
  for (auto i = 0; i < 20'000; ++i) {
    switch (below(9)) {
      case 0:
        x.discover(name());
        break;
      case 1: {
        std::vector<slot_facts> slots(2);
        for (auto& s : slots)
          if (below(2) == 1)
            s = {static_cast<slot_phase>(1 + below(3)), key()};
        x.report(name(), static_cast<instance_phase>(below(6)), slots, below(6),
                 below(4));
        break;
      }
      case 2:
        if (auto place = x.next_slot())
          x.occupy(*place, key());
        break;
      case 3:
        x.occupy_accepted(key());
        break;
      case 4:
        x.occupy_refused(key());
        break;
      case 5:
        x.cordon(id_of(name()), retire_reason::max_idle_time);
        break;
      case 6:
        x.uncordon(id_of(name()));
        break;
      case 7:
        x.deletion_asked(x.deletions_due(start));
        break;
      default:
        below(4) == 0 ? x.drop(id_of(name())) : x.cloud_deletes(id_of(name()));
    }
    fleet_counts sum;
    for (const auto& id : x.instances())
      sum += part_of(*x.find(id), x.limits());
    REQUIRE(sum == x.counts());
    if (auto place = x.next_slot())
      REQUIRE_EQ(standing_of(*x.find(place->instance), x.limits()),
                 standing::serving);
    REQUIRE_EQ(x.next_slot().has_value(), x.counts().idle > 0);
  }
}
