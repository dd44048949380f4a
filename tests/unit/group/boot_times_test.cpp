#include "actors/group/boot_times.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("the usual boot is the median of the last ones") {
  boot_times x;
  CHECK_FALSE(x.usual());
  x.add(40s);
  CHECK_EQ(x.usual(), 40s);
  x.add(10min); // a slow one
  CHECK_EQ(x.usual(), 40s);
  x.add(42s);
  CHECK_EQ(x.usual(), 42s);
  x.add(-5s); // never negative
  CHECK_EQ(x.usual(), 40s);
}

TEST_CASE("old boots are forgotten") {
  boot_times x;
  for (size_t i = 0; i < boot_times::kept; ++i)
    x.add(10min);
  CHECK_EQ(x.usual(), 10min);
  for (size_t i = 0; i < boot_times::kept; ++i)
    x.add(20s);
  CHECK_EQ(x.usual(), 20s);
}
