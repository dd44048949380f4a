// The worked examples of GitLab Runner's scaling: true outputs of the peer
// (reference/autoscaling, sections 4, 16 and 18). A row with a `departure`
// comes out otherwise here, on purpose, as do those with a scale factor.

#include "actors/group/capacity.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

using namespace muster;

namespace {

struct row {
  int number;
  int instances;
  int max; ///< 0: none
  int acquired;
  int unavailable;
  int pending;
  int reserved;
  int idle;
  double factor;
  int limit;
  int each;
  int peer; ///< what the peer does
  std::optional<int> ours = {};
  const char* departure = "";
};

constexpr auto total = scale_factor_target::total;

constexpr const char* no_flip
  = "a reservation keeps an instance, it never adds one: the peer's second "
    "evaluation changes the sign";

const row rows[] = {
  {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0},
  {2, 0, 10, 0, 0, 0, 0, 5, 0, 0, 2, 3},
  {3, 0, 1000, 0, 0, 1, 0, 10, 0, 0, 2, 5},
  {4, 5, 1000, 1, 0, 0, 0, 10, 0, 0, 2, 1},
  {5, 0, 0, 0, 0, 7, 0, 3, 0, 0, 2, 4},
  {6, 3, 5, 0, 0, 7, 0, 3, 0, 0, 2, 1},
  {7, 8, 5, 8, 0, 20, 0, 0, 0, 0, 1, 0},
  {8, 5, 0, 9, 0, 0, 0, 0, 0, 0, 2, 0},
  {9, 5, 0, 8, 0, 0, 0, 0, 0, 0, 2, -1},
  {10, 10, 0, 2, 0, 0, 0, 3, 0, 0, 1, -5},
  {11, 10, 0, 2, 0, 0, 4, 3, 0, 0, 1, -1},
  {12, 10, 0, 2, 0, 0, 9, 3, 0, 0, 1, 4, 0, no_flip},
  {13, 10, 12, 2, 0, 0, 9, 3, 0, 0, 1, 2, 0, no_flip},
  {14, 10, 10, 2, 0, 0, 9, 3, 0, 0, 1, 0},
  {15, 1, 1000, 0, 0, 0, 1, 0, 0, 0, 1, 0},
  {16, 1, 1000, 0, 0, 0, 0, 0, 0, 0, 1, -1},
  {17, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0},
  {18, 12, 0, 10, 0, 0, 0, 2, 1.5, 0, 1, 3},
  {19, 12, 0, 10, 0, 0, 0, 2, 1.5, 13, 1, 1},
  {20, 12, 0, 10, 0, 0, 0, 2, 1.5, 5, 1, 0},
  {21, 12, 0, 10, 0, 0, 0, 2, 0.5, 0, 1, 0},
  {22, 3, 0, 3, 0, 0, 0, 0, 1.1, 0, 1, 1},
  {23, 3, 0, 7, 0, 0, 0, 0, 2, 0, 3, 2},
  {24, 3, 0, 2, 0, 0, 0, 1, 3, 4, 1, 1},
  {25, 0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0},
  {26, 3, 0, 0, 3, 0, 0, 3, 0, 0, 2, 0},
  {27, 3, 10, 0, 3, 0, 0, 4, 0, 0, 2, 1},
  {28, 2, 3, 2, 2, 1, 0, 0, 0, 0, 2, 1},
  {29, 0, 1, 100, 0, 100, 0, 0, 0, 0, 100, 1},
  {30, 0, 0, 0, 0, 500, 0, 0, 0, 0, 4, 125},
  {31, 10, 0, 2, 0, 0, 5, 5, 0, 0, 5, -7},
  {32, 1, 0, 1, 0, 0, 0, 10, 0, 0, 10, 1},
  {33, 5, 0, 9, 1, 0, 0, 0, 1.5, 0, 2, 3},
  {34, 20, 5, 9, 0, 5, 0, 1, 0, 0, 1, -6},
};

} // namespace

TEST_CASE("the worked examples of required scaling come out as the peer's") {
  for (const auto& r : rows) {
    CAPTURE(r.number);
    CAPTURE(r.departure);
    capacity now{r.instances, r.acquired, r.unavailable, r.pending, r.reserved};
    scaling policy{r.max, r.each, r.idle, r.factor, r.limit, total};
    CHECK_EQ(instances_to_add(now, policy), r.ours.value_or(r.peer));
  }
}

TEST_CASE("unless told otherwise a scale factor is what the manual says") {
  // Of rows above; the peer compares the factor's part with all slots wanted.
  struct factor_row {
    int number;
    int ours;
  };
  const factor_row table[] = {{18, 13}, {19, 11}, {20, 3}, {21, 3}, {22, 4},
                              {23, 4},  {24, 3},  {25, 0}, {33, 7}};
  for (const auto& r : rows) {
    auto of_table = std::ranges::find(table, r.number, &factor_row::number);
    auto has_factor = of_table != std::end(table);
    REQUIRE_EQ(has_factor, r.factor > 0);
    CAPTURE(r.number);
    capacity now{r.instances, r.acquired, r.unavailable, r.pending, r.reserved};
    auto change
      = instances_to_add(now, {r.max, r.each, r.idle, r.factor, r.limit});
    CHECK_EQ(change, has_factor ? of_table->ours : r.ours.value_or(r.peer));
  }
}

TEST_CASE("a departure from the peer changes what it says it changes") {
  for (const auto& r : rows)
    if (r.ours) {
      CAPTURE(r.number);
      CHECK_NE(*r.ours, r.peer);
      CHECK_NE(std::string{r.departure}, "");
    }
}

TEST_CASE("the manual's reading of the scale factor is an idle target") {
  struct idle_row {
    const char* what;
    int acquired;
    int idle;
    double factor;
    int limit;
    int64_t wanted;
  };
  const idle_row table[] = {
    {"the factor's part is kept free beside the jobs", 10, 2, 0.5, 0, 15},
    {"the idle count is its lower bound", 2, 3, 0.5, 0, 5},
    {"the limit is its upper bound", 10, 2, 1.5, 5, 15},
    {"a limit below the idle count does not lower that", 10, 4, 1.5, 1, 14},
    {"nothing acquired, nothing on top", 0, 2, 5, 0, 2},
  };
  for (const auto& r : table) {
    CAPTURE(r.what);
    capacity now{.acquired = r.acquired};
    scaling policy{.idle_count = r.idle,
                   .scale_factor = r.factor,
                   .scale_factor_limit = r.limit};
    CHECK_EQ(wanted_slots(now, policy), r.wanted);
  }
}

TEST_CASE("unavailable slots are counted as in the peer's own tests") {
  struct use_row {
    int used; ///< before the jobs that run
    int running;
    int max;
    int each;
    int unavailable;
  };
  const use_row table[] = {
    {5, 2, 0, 4, 0},  {3, 2, 5, 2, 0}, {8, 2, 10, 5, 3},
    {5, 2, 10, 5, 0}, {9, 1, 1, 1, 9},
  };
  for (const auto& r : table) {
    CAPTURE(r.used);
    CAPTURE(r.max);
    CHECK_EQ(
      unavailable_slots(r.used + r.running, r.running, r.max, r.each, false),
      r.unavailable);
    CHECK_EQ(
      unavailable_slots(r.used + r.running, r.running, r.max, r.each, true), 0);
  }
}

TEST_CASE("the log line's capacity-info is the documented sample") {
  auto decided
    = decide_scaling({.instances = 1, .reserved = 1}, {.max_instances = 1000});
  CHECK_EQ(capacity_info(decided),
           "instance_count:1,max_instance_count:1000,acquired:0,"
           "unavailable_capacity:0,pending:0,reserved:1,idle_count:0,"
           "scale_factor:0,scale_factor_limit:0,capacity_per_instance:1");
  decided.policy.scale_factor = 1.5;
  CHECK_NE(capacity_info(decided).find("scale_factor:1.5,"), std::string::npos);
}
