#include "actors/group/account.hpp"

#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

void wait(reservations& x, const std::string& key) {
  REQUIRE(x.reserve(key_of(key), {.idle = 100}, 0, false));
  REQUIRE(x.wait(key_of(key), start, never));
}

/// A decision with what was done about its growth.
decision_note account(const fleet& instances, const reservations& promises,
                      const decision_input& in, growth_outcome growth = {}) {
  policy in_force;
  in_force.index = 0;
  in_force.idle_count = in.policy.idle_count;
  in_force.idle_time = in.idle_time;
  return account_of(decide_group(instances, promises, in), instances, in,
                    in_force, growth);
}

} // namespace

TEST_CASE("an account has the rule, the numbers and what was asked for") {
  fleet none{{.capacity_per_instance = 2}};
  reservations waiting;
  for (const auto* key : {"a", "b", "c"})
    wait(waiting, key);
  decision_input in{.policy = {.capacity_per_instance = 2}, .now = start};
  auto x = account(none, waiting, in, {.asked = 2});
  CHECK_EQ(x.rule, decision_rule::pending);
  CHECK_EQ(x.required, 2);
  CHECK_EQ(x.wanted, 3);
  CHECK_EQ(x.pending, 3);
  CHECK_EQ(x.asked, 2);
  CHECK_EQ(x.policy, 0);
  CHECK(x.acts());
  CHECK(x.not_taken.empty());
}

TEST_CASE("growth beyond the limit is an option that was not taken") {
  fleet none{{}};
  reservations waiting;
  for (const auto* key : {"a", "b", "c"})
    wait(waiting, key);
  decision_input in{.policy = {.max_instances = 1}, .now = start};
  auto x = account(none, waiting, in, {.asked = 1});
  CHECK_EQ(x.rule, decision_rule::max_instances);
  CHECK_EQ(x.not_taken,
           std::vector<option_note>{{decision_rule::max_instances, 2, 0}});
}

TEST_CASE(
  "growth is limited by what is being removed, and the account has it") {
  reporting_fleet one{{}};
  one.ready("a");
  one.cordon(instance_id{"a"}, retire_reason::unhealthy);
  reservations waiting;
  for (const auto* key : {"a", "b", "c"})
    wait(waiting, key);
  decision_input in{
    .policy = {.max_instances = 3}, .unconfirmed = 1, .now = start};
  auto what = decide_group(one, waiting, in);
  CHECK_EQ(what.increase, 1);
  auto x = account(one, waiting, in, {.asked = 1});
  CHECK_EQ(x.instances, 0);
  CHECK_EQ(x.removing, 1);
  CHECK_EQ(x.unconfirmed, 1);
  CHECK_EQ(x.not_taken,
           std::vector<option_note>{{decision_rule::max_instances, 2, 0}});
}

TEST_CASE("growth that is held back says by what and how long") {
  fleet none{{}};
  reservations waiting;
  for (const auto* key : {"a", "b", "c"})
    wait(waiting, key);
  decision_input in{.policy = {}, .now = start};
  for (auto rule : {decision_rule::scale_throttle, decision_rule::failure_pause,
                    decision_rule::provider_refused}) {
    auto x = account(none, waiting, in,
                     {.asked = 1, .held_by = rule, .until = start + 7s});
    CHECK_EQ(x.not_taken, std::vector<option_note>{{rule, 2, 7000}});
  }
  auto x
    = account(none, waiting, in, {.held_by = decision_rule::provider_lost});
  CHECK_EQ(x.not_taken,
           std::vector<option_note>{{decision_rule::provider_lost, 3, 0}});
  CHECK_FALSE(x.acts());
}

TEST_CASE("instances that are kept are told with what keeps them") {
  reporting_fleet two{{}};
  two.ready("a");
  two.ready("b");
  reservations promises;
  decision_input in{.policy = {}, .idle_time = 60s, .now = start + 20s};
  auto x = account(two, promises, in);
  CHECK_EQ(x.rule, decision_rule::surplus);
  CHECK_EQ(x.not_taken,
           std::vector<option_note>{{decision_rule::idle_time, 2, 40'000}});
  REQUIRE(promises.reserve(key_of("r"), {.idle = 2}, 0, false));
  x = account(two, promises, in);
  CHECK_EQ(x.not_taken,
           std::vector<option_note>{{decision_rule::reserved, 1, 0},
                                    {decision_rule::idle_time, 1, 40'000}});
  in.now = start + 60s;
  x = account(two, promises, in);
  CHECK_EQ(x.cordoned, std::vector<cordon_note>{
                         {id_of("a"), decision_rule::max_idle_time}});
  CHECK_EQ(x.not_taken,
           std::vector<option_note>{{decision_rule::reserved, 1, 0}});
}

TEST_CASE("all rules of a formula and a removal have one of their own") {
  CHECK_EQ(to_string(rule_of(scaling_rule::scale_factor)), "scale_factor");
  for (auto x : {scaling_rule::satisfied, scaling_rule::pending,
                 scaling_rule::idle_count, scaling_rule::scale_factor,
                 scaling_rule::max_instances, scaling_rule::surplus,
                 scaling_rule::reserved})
    CHECK_EQ(to_string(rule_of(x)), to_string(x));
  CHECK_EQ(rule_of(retire_reason::max_use_count), decision_rule::max_use_count);
  CHECK_EQ(rule_of(retire_reason::unhealthy), decision_rule::unhealthy);
  CHECK_EQ(rule_of(retire_reason::max_idle_time), decision_rule::max_idle_time);
  CHECK_EQ(rule_of(retire_reason::reconfigured), decision_rule::reconfigured);
}

TEST_CASE("news is what acts, or comes out by another rule than before") {
  decision_memory it;
  decision_note x;
  CHECK(it.is_news(x));
  CHECK_FALSE(it.is_news(x));
  x.pending = 7; // numbers alone are none
  CHECK_FALSE(it.is_news(x));
  x.rule = decision_rule::pending;
  x.asked = 1;
  CHECK(it.is_news(x));
  CHECK(it.is_news(x)); // asks once more
  x.asked = 0;
  x.not_taken = {{decision_rule::scale_throttle, 4, 1}};
  CHECK(it.is_news(x));
  x.not_taken = {{decision_rule::scale_throttle, 3, 1}};
  CHECK_FALSE(it.is_news(x));
}

TEST_CASE("the log has growth held back once a minute, and no idle times") {
  decision_memory it;
  decision_note x;
  x.rule = decision_rule::surplus;
  x.not_taken = {{decision_rule::idle_time, 1, 1}};
  CHECK_FALSE(it.is_line(x, start));
  x.rule = decision_rule::max_instances;
  x.not_taken = {{decision_rule::max_instances, 1, 0}};
  CHECK(it.is_line(x, start));
  CHECK_FALSE(it.is_line(x, start + 59s));
  CHECK(it.is_line(x, start + 60s));
  x.asked = 1;
  CHECK(it.is_line(x, start + 61s));
  CHECK(it.may_repeat(decision_rule::no_capacity, start));
  CHECK_FALSE(it.may_repeat(decision_rule::no_capacity, start + 1s));
}
