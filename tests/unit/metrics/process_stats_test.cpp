#include "actors/metrics/process_stats.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("the line of /proc/PID/stat is read whatever the program is called") {
  process_stats x;
  parse_stat("42 (a) b (c) S 1 42 42 0 -1 4194304 10 0 0 0 150 50 0 0 20 0 4 0 "
             "1000 8192000 25 18446744073709551615 1 1\n",
             100, 4096, 1'700'000'000, x);
  CHECK_EQ(x.cpu_s, 2);
  CHECK_EQ(x.start_s, 1'700'000'010);
  CHECK_EQ(x.virtual_bytes, 8'192'000);
  CHECK_EQ(x.resident_bytes, 25 * 4096);
}

TEST_CASE("a line that is none tells nothing") {
  for (const auto* text : {"", "42", "42 (a", "42 (a) S 1 2 3"}) {
    CAPTURE(text);
    process_stats x;
    parse_stat(text, 100, 4096, 5, x);
    CHECK_EQ(x.cpu_s, 0);
    CHECK_EQ(x.start_s, 0);
    CHECK_EQ(x.resident_bytes, 0);
  }
}
