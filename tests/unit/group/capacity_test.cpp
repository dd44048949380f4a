#include "actors/group/capacity.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace muster;

TEST_CASE("instances_to_add follows demand, idle count and limits") {
  struct row {
    const char* what;
    capacity now;
    scaling policy;
    int expected;
  };
  const row rows[] = {
    {"nothing wanted, nothing there", {}, {}, 0},
    {"jobs share instances", {.pending = 3}, {.capacity_per_instance = 2}, 2},
    {"idle count covers pending", {.pending = 3}, {.idle_count = 5}, 5},
    {"cut off", {.instances = 4, .pending = 9}, {.max_instances = 5}, 1},
    {"surplus is removed", {.instances = 3, .acquired = 1}, {}, -2},
    {"reserved", {.instances = 3, .acquired = 1, .reserved = 1}, {}, -1},
    {"a capacity of 0 counts as 1",
     {.pending = 2},
     {.capacity_per_instance = 0},
     2},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(instances_to_add(r.now, r.policy), r.expected);
  }
}

TEST_CASE("a decision names the rule that made it") {
  struct row {
    capacity now;
    scaling policy;
    scaling_rule rule;
    int unrestricted;
  };
  const row rows[] = {
    {{}, {}, scaling_rule::satisfied, 0},
    {{.pending = 2}, {}, scaling_rule::pending, 2},
    {{.pending = 2}, {.idle_count = 3}, scaling_rule::idle_count, 3},
    {{.instances = 2, .acquired = 2},
     {.scale_factor = 1.5},
     scaling_rule::scale_factor,
     3},
    {{.instances = 2, .acquired = 2},
     {.idle_count = 3, .scale_factor = 1.5},
     scaling_rule::idle_count,
     3},
    {{.instances = 4, .pending = 9},
     {.max_instances = 5},
     scaling_rule::max_instances,
     5},
    {{.instances = 5, .pending = 9},
     {.max_instances = 5},
     scaling_rule::max_instances,
     4},
    {{.instances = 2}, {}, scaling_rule::surplus, -2},
    {{.instances = 2, .reserved = 1}, {}, scaling_rule::surplus, -2},
    {{.instances = 2, .reserved = 2}, {}, scaling_rule::reserved, -2},
  };
  for (const auto& r : rows) {
    auto decided = decide_scaling(r.now, r.policy);
    CAPTURE(to_string(r.rule));
    CHECK_EQ(to_string(decided.rule), to_string(r.rule));
    CHECK_EQ(decided.unrestricted, r.unrestricted);
    CHECK_EQ(decided.now, r.now);
    CHECK_EQ(decided.policy, r.policy);
  }
}

TEST_CASE("numbers far out of range are cut off, not overflowed") {
  auto most = std::numeric_limits<int>::max();
  CHECK_EQ(instances_to_add({.pending = most}, {}), most);
  CHECK_EQ(instances_to_add({.acquired = most, .pending = most}, {}), most);
  CHECK_EQ(instances_to_add({.acquired = 1}, {.scale_factor = 1e300}), most);
  CHECK_EQ(instances_to_add({.acquired = 1}, {.scale_factor = INFINITY}), most);
  CHECK_EQ(instances_to_add({.acquired = 1}, {.scale_factor = NAN}), 1);
  CHECK_EQ(instances_to_add({.acquired = 1}, {.scale_factor = -2}), 1);
  CHECK_EQ(instances_to_add({.instances = most}, {}), -most);
}

TEST_CASE("a limit is never passed, and reservations never add") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  auto below = [&chance](int bound) {
    return static_cast<int>(chance() % static_cast<unsigned>(bound));
  };
  for (auto i = 0; i < 20'000; ++i) {
    capacity now{below(12), below(20), below(6), below(20), below(20)};
    scaling policy{below(10), 1 + below(5), below(8), below(5) * 0.5, below(9)};
    auto decided = decide_scaling(now, policy);
    if (policy.max_instances > 0 && decided.change > 0)
      REQUIRE_LE(now.instances + decided.change, policy.max_instances);
    auto unreserved = now;
    unreserved.reserved = 0;
    auto without = instances_to_add(unreserved, policy);
    REQUIRE_LE(decided.change, std::max(0, without));
    REQUIRE_GE(decided.change, without);
  }
}

TEST_CASE("removing what is surplus never makes anything wanted") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  auto below = [&chance](int bound) {
    return static_cast<int>(chance() % static_cast<unsigned>(bound));
  };
  for (auto i = 0; i < 20'000; ++i) {
    capacity now{below(12), below(8), below(6), below(4), below(8)};
    scaling policy{below(10), 1 + below(5), below(8), below(5) * 0.5, below(9)};
    auto change = instances_to_add(now, policy);
    if (change >= 0)
      continue;
    now.instances += change;
    now.unavailable -= below(now.unavailable + 1); // gone with the removed
    REQUIRE_LE(instances_to_add(now, policy), 0);
  }
}

TEST_CASE("the limit in force is the operator's within the provider's") {
  struct row {
    int configured;
    int64_t provider;
    int limit; ///< -1: refused
  };
  const row rows[] = {
    {5, 10, 5}, {0, 10, 10}, {10, 10, 10}, {0, 4'294'967'295, 0},
    {6, 5, -1}, {0, 0, -1},  {1, 0, -1},   {7, 4'294'967'295, 7},
  };
  for (const auto& r : rows) {
    CAPTURE(r.configured);
    CAPTURE(r.provider);
    CHECK_EQ(instances_limit(r.configured, r.provider).value_or(-1), r.limit);
  }
  auto refused = instances_limit(6, 5);
  CHECK(refused.error().text.starts_with(
    "max size option exceeds instance group's max size: 6 > 5"));
}
