#include "actors/group/decision.hpp"

#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

#include <ctime>

using namespace muster;
using namespace muster::test;

namespace {

void wait(reservations& x, const std::string& key) {
  REQUIRE(x.reserve(key_of(key), {.idle = 100}, 0, false));
  REQUIRE(x.wait(key_of(key), start, never));
}

} // namespace

TEST_CASE("what was asked for counts as there") {
  fleet none{{.capacity_per_instance = 2}};
  reservations waiting;
  for (const auto* key : {"a", "b", "c"})
    wait(waiting, key);
  decision_input in{.policy = {.capacity_per_instance = 2}, .now = start};
  CHECK_EQ(decide_group(none, waiting, in).increase, 2);
  in.requests = 1;
  CHECK_EQ(decide_group(none, waiting, in).increase, 1);
  in.requests = 2;
  CHECK_FALSE(decide_group(none, waiting, in).acts());
}

TEST_CASE("what is beyond max_instances is surplus, whatever idle_count says") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  for (const auto* name : {"a", "b", "c"})
    x.ready(name);
  x.report("a", instance_phase::ready, {{}, held_by("k")}, 1);
  decision_input in{
    .policy = {.max_instances = 2, .capacity_per_instance = 2, .idle_count = 5},
    .now = start};
  auto what = decide_group(x, {}, in);
  CHECK(what.cordon
        == std::vector<retirement>{{id_of("b"), retire_reason::max_idle_time}});
  CHECK_EQ(what.scaling.change, -1);
  CHECK_EQ(what.increase, 0);
}

TEST_CASE("what use limits have left of instances does not keep a group up") {
  reporting_fleet x{{.capacity_per_instance = 4, .max_use_count = 6}};
  for (auto i = 0; i < 10; ++i) {
    auto name = "i-" + std::to_string(i);
    x.ready(name.c_str());
    x.report(name.c_str(), instance_phase::ready, {{}, {}, {}, {}}, 5);
  }
  decision_input in{.policy = {.capacity_per_instance = 4, .idle_count = 2},
                    .now = start};
  auto what = decide_group(x, {}, in);
  CHECK_EQ(what.cordon.size(), 8);
  CHECK_EQ(what.scaling.change, -8);
  CHECK_EQ(what.scaling.rule, scaling_rule::surplus);
  in.policy.idle_count = 0;
  CHECK_EQ(decide_group(x, {}, in).cordon.size(), 10);
}

TEST_CASE("a use limit below the capacity is asked for in one go") {
  fleet none{{.capacity_per_instance = 4, .max_use_count = 1}};
  reservations waiting;
  for (const auto* key : {"a", "b", "c"})
    wait(waiting, key);
  decision_input in{.policy = {.capacity_per_instance = 4}, .now = start};
  auto rounds = 0;
  for (auto next = decide_group(none, waiting, in); next.acts();
       next = decide_group(none, waiting, in)) {
    in.requests += next.increase;
    REQUIRE_LT(++rounds, 10);
  }
  CHECK_EQ(in.requests, 3);
}

TEST_CASE("instances being deleted leave no room above the limit") {
  reporting_fleet x{{}};
  x.ready("a");
  x.ready("b");
  x.cordon(id_of("a"), retire_reason::unhealthy);
  x.deletion_asked({id_of("a")});
  reservations waiting;
  wait(waiting, "k");
  wait(waiting, "l");
  wait(waiting, "m");
  decision_input in{.policy = {.max_instances = 3}, .now = start};
  CHECK_EQ(decide_group(x, waiting, in).scaling.change, 2);
  CHECK_EQ(decide_group(x, waiting, in).increase, 1);
  in.requests = 1;
  CHECK_EQ(decide_group(x, waiting, in).increase, 0);
  x.drop(id_of("a"));
  CHECK_EQ(decide_group(x, waiting, in).increase, 1);
}

TEST_CASE("returning demand takes a cordon back before anything is asked for") {
  reporting_fleet x{{}};
  x.ready("a");
  x.ready("b");
  decision_input in{.policy = {}, .now = start};
  auto removal = decide_group(x, {}, in);
  REQUIRE_EQ(removal.cordon.size(), 2);
  apply(removal, x);
  CHECK_FALSE(decide_group(x, {}, in).acts());
  reservations waiting;
  wait(waiting, "k");
  auto back = decide_group(x, waiting, in);
  CHECK_EQ(back.uncordon, std::vector{id_of("b")});
  CHECK_EQ(back.increase, 0);
  apply(back, x);
  auto given = assign_slots(x, waiting);
  REQUIRE_EQ(given.size(), 1);
  CHECK_EQ(given[0].place.instance, id_of("b"));
  CHECK_FALSE(decide_group(x, waiting, in).acts());
}

TEST_CASE("a reservation keeps an instance that would be removed") {
  reporting_fleet x{{}};
  x.ready("a");
  reservations promised;
  REQUIRE(promised.reserve(key_of("k"), {.idle = 1}, 0, false));
  decision_input in{.policy = {}, .now = start};
  CHECK_FALSE(decide_group(x, promised, in).acts());
  promised.unreserve(key_of("k"));
  CHECK_EQ(decide_group(x, promised, in).cordon.size(), 1);
}

TEST_CASE("the next look is when the first idle time runs out") {
  reporting_fleet x{{}};
  x.ready("a", start);
  x.ready("b", start - 1min);
  decision_input in{.policy = {}, .idle_time = 5min, .now = start};
  auto decided = decide_group(x, {}, in);
  CHECK_FALSE(decided.acts());
  CHECK_EQ(decided.next_look, start + 4min);
  in.now = start + 4min;
  decided = decide_group(x, {}, in);
  CHECK(decided.cordon
        == std::vector<retirement>{{id_of("b"), retire_reason::max_idle_time}});
  CHECK_EQ(decided.next_look, start + 5min);
  in.policy.idle_count = 2;
  CHECK_EQ(decide_group(x, {}, in).next_look, never);
}

TEST_CASE("an unhealthy instance is replaced, not counted as capacity") {
  reporting_fleet x{{}};
  x.ready("sick");
  x.report("sick", instance_phase::ready, {{}}, 0, 3);
  decision_input in{.policy = {.idle_count = 1}, .now = start};
  auto decided = decide_group(x, {}, in);
  CHECK_EQ(decided.increase, 1);
  CHECK(decided.cordon
        == std::vector<retirement>{{id_of("sick"), retire_reason::unhealthy}});
}

TEST_CASE("a slot being cleaned is no reason for another instance") {
  reporting_fleet x{{}};
  x.ready("a");
  x.report("a", instance_phase::ready, {cleaning_of("old")}, 1);
  reservations waiting;
  wait(waiting, "k");
  decision_input in{.policy = {}, .now = start};
  CHECK_FALSE(decide_group(x, waiting, in).acts());
  CHECK(assign_slots(x, waiting).empty());
  x.report("a", instance_phase::ready, {{}}, 1);
  CHECK_EQ(assign_slots(x, waiting).size(), 1);
}

TEST_CASE("slots go to those who wait, in their order") {
  reporting_fleet x{{.capacity_per_instance = 2}};
  x.ready("i");
  reservations waiting;
  for (const auto* key : {"c", "b", "a"})
    wait(waiting, key);
  auto given = assign_slots(x, waiting);
  CHECK(given
        == std::vector<assignment>{{key_of("c"), {id_of("i"), 0}},
                                   {key_of("b"), {id_of("i"), 1}}});
  CHECK_EQ(waiting.pending(), 1);
  CHECK_EQ(waiting.serving(), 2);
  x.occupy_refused(key_of("c"));
  REQUIRE(waiting.refused(key_of("c")));
  given = assign_slots(x, waiting);
  REQUIRE_EQ(given.size(), 1);
  CHECK_EQ(given[0].key, key_of("c")); // before `a`, which came later
}

TEST_CASE("a decision does not grow with the number of instances") {
  constexpr auto instances = 10'000;
  reporting_fleet x{{.capacity_per_instance = 5}};
  for (auto i = 0; i < instances; ++i)
    x.ready("i" + std::to_string(i));
  decision_input in{.policy
                    = {.capacity_per_instance = 5, .idle_count = instances * 5},
                    .now = start};
  constexpr auto rounds = 1'000;
  auto before = std::clock();
  for (auto i = 0; i < rounds; ++i)
    REQUIRE_FALSE(decide_group(x, {}, in).acts());
  auto seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  CHECK_LT(seconds / rounds, 0.001);
}
