#include "tools/bench/figure.hpp"

#include <doctest/doctest.h>

using namespace muster::bench;

TEST_CASE("value_at takes the nearest rank") {
  struct row {
    const char* what;
    std::vector<double> values;
    double rank;
    double expected;
  };
  const row rows[] = {
    {"one value is every rank", {7}, 0.95, 7},
    {"the median of three is the middle one", {3, 1, 2}, 0.5, 2},
    {"the median of four is the lower middle one", {4, 1, 3, 2}, 0.5, 2},
    {"the p95 of twenty leaves one above it",
     {20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
     0.95,
     19},
    {"the lowest", {2, 1}, 0, 1},
    {"the highest", {2, 1}, 1, 2},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(value_at(r.values, r.rank), r.expected);
  }
}

TEST_CASE("a summary is over all values, its spread over the runs") {
  figure what{{"start", "ms", 0.5, 4, ""}, {{1, 2, 9}, {5, 6, 7}}};
  auto sum = summary_of(what);
  CHECK_EQ(sum.values, 6);
  CHECK_EQ(sum.value, 5);
  CHECK_EQ(sum.lowest, 2);
  CHECK_EQ(sum.highest, 6);
  CHECK_FALSE(sum.reached);
  what.info.goal = 5;
  CHECK(summary_of(what).reached);
  what.info.goal.reset();
  CHECK(summary_of(what).reached);
}

TEST_CASE("some goals are reached from below") {
  figure rate{{"rate", "MiB/s", 0.5, 100, "83", true}, {{90, 100, 120}}};
  CHECK(summary_of(rate).reached);
  rate.info.goal = 101;
  CHECK_FALSE(summary_of(rate).reached);
}

TEST_CASE("a figure that was not measured reaches no goal") {
  figure what{{"start", "ms", 0.5, 4, ""}, {{}}};
  CHECK_EQ(summary_of(what).values, 0);
  CHECK_FALSE(summary_of(what).reached);
}
