#include "actors/group/fleet.hpp"

#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace muster;
using namespace muster::test;

namespace {

std::vector<std::string> names(const retirement_plan& x) {
  std::vector<std::string> result;
  for (const auto& r : x.retire)
    result.push_back(r.instance.value);
  return result;
}

using list = std::vector<std::string>;

} // namespace

TEST_CASE("surplus goes oldest first, as many as are surplus") {
  reporting_fleet x{{}};
  for (const auto* name : {"a", "b", "c"})
    x.ready(name);
  CHECK_EQ(names(x.choose_retirements(2, 0s, 0, start)), list{"a", "b"});
  CHECK_EQ(names(x.choose_retirements(9, 0s, 0, start)), list{"a", "b", "c"});
  CHECK(names(x.choose_retirements(0, 0s, 0, start)).empty());
  CHECK(names(x.choose_retirements(-3, 0s, 0, start)).empty());
}

TEST_CASE("an instance with a slot taken is never chosen") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  for (const auto* name : {"held", "cleaning", "underway", "free"})
    x.ready(name);
  x.report("held", instance_phase::ready, {{}, held_by("a")}, 1);
  x.report("cleaning", instance_phase::ready, {{}, cleaning_of("b")}, 1);
  REQUIRE(x.occupy({id_of("underway"), 0}, key_of("c")));
  CHECK_EQ(names(x.choose_retirements(4, 0s, 0, start)), list{"free"});
}

TEST_CASE("a partly used instance goes when what is left of it is spare") {
  reporting_fleet x{{.capacity_per_instance = 3, .max_use_count = 5}};
  for (const auto* name : {"used", "new"})
    x.ready(name);
  x.report("used", instance_phase::ready, {{}, {}, {}}, 4);
  CHECK(names(x.choose_retirements(0, 0s, 0, start)).empty());
  CHECK_EQ(names(x.choose_retirements(1, 0s, 0, start)), list{"used"});
  CHECK_EQ(names(x.choose_retirements(3, 0s, 0, start)), list{"used"});
  CHECK_EQ(names(x.choose_retirements(4, 0s, 0, start)), list{"used", "new"});
}

TEST_CASE("idle time counts from the later of first listing and last use") {
  reporting_fleet x{{}};
  x.ready("used", start);
  x.ready("new", start + 2min);
  x.report("used", instance_phase::ready, {held_by("a")}, 1, 0, start + 1min);
  x.report("used", instance_phase::ready, {cleaning_of("a")}, 1, 0,
           start + 5min);
  x.report("used", instance_phase::ready, {{}}, 1, 0, start + 6min);
  auto at
    = [&x](group_time now) { return x.choose_retirements(2, 5min, 0, now); };
  CHECK_EQ(at(start + 6min).next_look, start + 7min);
  CHECK(at(start + 7min - 1ns).retire.empty());
  CHECK_EQ(names(at(start + 7min)), list{"new"});
  CHECK_EQ(at(start + 7min).next_look, start + 10min);
  CHECK_EQ(names(at(start + 10min)), list{"used", "new"});
  CHECK_EQ(at(start + 10min).next_look, never);
}

TEST_CASE("an idle clock that began before this manager goes on") {
  reporting_fleet x{{}};
  x.add(id_of("i"), instance_cause::preexisted, group_time{} - 3h, 2,
        group_time{} - 2h);
  x.report("i", instance_phase::ready, {{}}, 2);
  CHECK(x.choose_retirements(1, 2h, 0, group_time{} - 1ns).retire.empty());
  CHECK_EQ(names(x.choose_retirements(1, 2h, 0, group_time{})), list{"i"});
}

TEST_CASE("an idle time without end never runs out") {
  reporting_fleet x{{}};
  x.ready("i");
  auto plan
    = x.choose_retirements(1, std::chrono::milliseconds::max(), 0, never - 1ns);
  CHECK(plan.retire.empty());
  CHECK_EQ(plan.next_look, never);
}

TEST_CASE("worn out and unhealthy instances go without being surplus") {
  reporting_fleet x{{.max_use_count = 2, .failure_threshold = 3}};
  for (const auto* name : {"fine", "worn", "sick", "broken", "worn and busy"})
    x.ready(name);
  x.report("worn", instance_phase::ready, {{}}, 2);
  x.report("sick", instance_phase::ready, {{}}, 1, 3);
  x.report("broken", instance_phase::ready,
           {{slot_phase::unusable, key_of("x")}}, 1);
  x.report("worn and busy", instance_phase::ready, {held_by("a")}, 2);
  auto plan = x.choose_retirements(0, 1h, 0, start);
  CHECK(
    plan.retire
    == std::vector<retirement>{{id_of("worn"), retire_reason::max_use_count},
                               {id_of("sick"), retire_reason::unhealthy},
                               {id_of("broken"), retire_reason::unhealthy}});
  x.report("worn and busy", instance_phase::ready, {cleaning_of("a")}, 2);
  CHECK_EQ(x.choose_retirements(0, 1h, 0, start).retire.size(), 3);
  x.report("worn and busy", instance_phase::ready, {{}}, 2);
  CHECK_EQ(x.choose_retirements(0, 1h, 0, start).retire.size(), 4);
}

TEST_CASE("an instance that goes already uses up nothing of the surplus") {
  reporting_fleet x{{}};
  for (const auto* name : {"a", "b", "c"})
    x.ready(name);
  x.cordon(id_of("a"), retire_reason::max_idle_time);
  CHECK_EQ(names(x.choose_retirements(1, 0s, 0, start)), list{"b"});
  x.deletion_asked({id_of("a")});
  CHECK_EQ(names(x.choose_retirements(1, 0s, 0, start)), list{"b"});
}

TEST_CASE("what comes up bears the surplus before what is ready") {
  reporting_fleet x{{}};
  x.ready("ready");
  x.ready("ready too");
  x.discover("coming");
  SUBCASE("the coming one goes, not a ready one") {
    CHECK_EQ(names(x.choose_retirements(1, 0s, 0, start)), list{"coming"});
  }
  SUBCASE("a request not seen yet is waited for") {
    x.drop(id_of("coming"));
    CHECK(x.choose_retirements(1, 0s, 1, start).retire.empty());
    CHECK_EQ(names(x.choose_retirements(2, 0s, 1, start)), list{"ready"});
  }
  SUBCASE("a coming one that is young enough to stay protects a ready one") {
    auto plan = x.choose_retirements(1, 1min, 0, start + 59s);
    CHECK(plan.retire.empty());
    CHECK_EQ(plan.next_look, start + 1min);
  }
  SUBCASE("all are surplus: all go") {
    CHECK_EQ(names(x.choose_retirements(3, 0s, 0, start)),
             list{"ready", "ready too", "coming"});
  }
}

TEST_CASE("a cordon for idle time can be taken back until deletion is asked") {
  reporting_fleet x{{.max_use_count = 5}};
  for (const auto* name : {"a", "b", "c", "d"})
    x.ready(name);
  x.cordon(id_of("a"), retire_reason::max_idle_time);
  x.cordon(id_of("b"), retire_reason::unhealthy);
  x.cordon(id_of("c"), retire_reason::max_idle_time);
  x.cordon(id_of("c"), retire_reason::unhealthy); // a second call
  CHECK_EQ(x.counts().instances, 1);
  CHECK_EQ(x.next_slot()->instance, id_of("d"));
  CHECK_EQ(x.revocable(), std::vector{id_of("c"), id_of("a")});
  x.deletion_asked({id_of("c")});
  CHECK_EQ(x.revocable(), std::vector{id_of("a")});
  CHECK_FALSE(x.uncordon(id_of("b")));
  CHECK_FALSE(x.uncordon(id_of("c")));
  CHECK_FALSE(x.uncordon(id_of("d")));
  CHECK(x.uncordon(id_of("a")));
  CHECK_EQ(x.next_slot()->instance, id_of("a"));
  CHECK_EQ(x.counts().instances, 2);
}

TEST_CASE("a cordon for another configuration is never taken back") {
  reporting_fleet x{{}};
  x.ready("a");
  x.cordon(id_of("a"), retire_reason::max_idle_time);
  x.cordon(id_of("a"), retire_reason::reconfigured);
  x.cordon(id_of("a"), retire_reason::max_idle_time);
  CHECK(x.revocable().empty());
  CHECK_FALSE(x.uncordon(id_of("a")));
}

TEST_CASE("an instance that drains by itself does not come back") {
  reporting_fleet x{{}};
  x.ready("a");
  x.cordon(id_of("a"), retire_reason::max_idle_time);
  x.report("a", instance_phase::draining, {{}});
  CHECK(x.revocable().empty());
  CHECK_EQ(x.deletions_due(start), std::vector{id_of("a")});
}

TEST_CASE("deletion is asked for only with no slot taken") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  x.ready("a");
  REQUIRE(x.occupy({id_of("a"), 0}, key_of("k")));
  x.cordon(id_of("a"), retire_reason::max_idle_time);
  CHECK(x.deletions_due(start).empty());
  CHECK_EQ(x.next_deletion(), never);
  x.report("a", instance_phase::draining, {held_by("k"), {}}, 1);
  CHECK(x.deletions_due(start).empty());
  x.report("a", instance_phase::draining, {cleaning_of("k"), {}}, 1);
  CHECK(x.deletions_due(start).empty());
  x.report("a", instance_phase::draining, {{}, {}}, 1);
  CHECK_EQ(x.deletions_due(start), std::vector{id_of("a")});
  CHECK_LE(x.next_deletion(), start);
}

TEST_CASE("deletion is asked for again until the instance is gone") {
  reporting_fleet x{{}};
  for (const auto* name : {"a", "b"}) {
    x.ready(name);
    x.cordon(id_of(name), retire_reason::max_idle_time);
  }
  auto both = x.deletions_due(start);
  REQUIRE_EQ(both.size(), 2);
  x.deletion_asked(both);
  CHECK(x.deletions_due(start + 1h).empty()); // while the answer is out
  CHECK_EQ(x.next_deletion(), never);
  x.deletion_answered(both, {id_of("a")}, start + 60s, start + 5s);
  CHECK_EQ(x.next_deletion(), start + 5s);
  CHECK_EQ(x.deletions_due(start + 5s), std::vector{id_of("b")});
  CHECK_EQ(x.deletions_due(start + 60s), both);
  SUBCASE("not if the cloud is at it") {
    x.cloud_deletes(id_of("a"));
    CHECK_EQ(x.deletions_due(start + 60s), std::vector{id_of("b")});
  }
  SUBCASE("not after it is gone") {
    x.drop(id_of("a"));
    x.deletion_asked({id_of("a")});
    x.deletion_answered({id_of("a")}, {}, start, start);
    CHECK_EQ(x.deletions_due(start + 60s), std::vector{id_of("b")});
  }
}
