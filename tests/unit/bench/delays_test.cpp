#include "tools/bench/delays.hpp"

#include <doctest/doctest.h>

using namespace muster::bench;
using muster::gitlab::trace_arrival;

TEST_CASE("times are read where a number follows the word, and nowhere else") {
  const std::string_view trace = "$ echo at=$(date)\nat=12 x\nat=\nat=345";
  auto found = stamps_of(trace, "at=");
  REQUIRE_EQ(found.size(), 2);
  CHECK_EQ(found[0].printed_ns, 12);
  CHECK_EQ(trace.substr(found[0].end, 2), " x");
  CHECK_EQ(found[1].printed_ns, 345);
  CHECK_EQ(found[1].end, trace.size());
  CHECK_EQ(printed_time(trace, "at="), 12);
  CHECK_FALSE(printed_time(trace, "on="));
}

TEST_CASE("a line is there with the piece that has its last byte") {
  const std::vector<stamp> stamps{
    {1'000'000, 10}, {2'000'000, 11}, {3'000'000, 30}};
  const std::vector<trace_arrival> pieces{
    {2'000, 0, 5}, {4'000, 5, 5}, {9'000, 10, 15}};
  auto delays = delays_of(stamps, pieces);
  REQUIRE_EQ(delays.size(), 2); // the third never came
  CHECK_EQ(delays[0], 3);
  CHECK_EQ(delays[1], 7);
}

TEST_CASE("clocks that differ make no negative delay") {
  CHECK_EQ(delays_of({{5'000'000, 1}}, {{4'000, 0, 1}}),
           std::vector<double>{0});
}
