#include "providers/simulated/boot_time.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <vector>

using namespace muster::simulated;
using namespace std::chrono_literals;

namespace {

std::vector<std::chrono::milliseconds> draws(const char* text) {
  auto boot = parse_boot_time(text);
  REQUIRE(boot);
  chance from{1};
  std::vector<std::chrono::milliseconds> out;
  for (int i = 0; i < 1'001; ++i)
    out.push_back(boot->draw(from));
  std::ranges::sort(out);
  return out;
}

} // namespace

TEST_CASE("a boot time is constant, uniform or lognormal") {
  auto constant = draws("40s");
  CHECK_EQ(constant.front(), 40s);
  CHECK_EQ(constant.back(), 40s);
  auto uniform = draws("uniform(30s, 1m)");
  CHECK_GE(uniform.front(), 30s);
  CHECK_LE(uniform.front(), 31s);
  CHECK_LE(uniform.back(), 60s);
  CHECK_GE(uniform.back(), 59s);
  auto lognormal = draws("lognormal(40s,0.3)");
  CHECK_GE(lognormal[500], 38s);
  CHECK_LE(lognormal[500], 42s);
  CHECK_GT(lognormal.front(), 10s);
  CHECK_GT(lognormal.back(), 70s);
  CHECK_EQ(draws("lognormal(40s,0)").back(), 40s);
}

TEST_CASE("what is no boot time is refused in words") {
  for (const auto* text : {"",
                           " ",
                           "40",
                           "-1s",
                           "25h",
                           "lognormal",
                           "lognormal(",
                           "lognormal()",
                           "lognormal(40s)",
                           "lognormal(40s,)",
                           "lognormal(40s,-1)",
                           "lognormal(40s,nan)",
                           "lognormal(40s,1e9)",
                           "uniform(60s,30s)",
                           "uniform(30s,60s",
                           "normal(40s,0.3)",
                           "lognormal(40s,0.3)x",
                           "lognormal(40s,0.3,1)",
                           ",(",
                           "(,)"}) {
    CAPTURE(text);
    auto read = parse_boot_time(text);
    REQUIRE_FALSE(read);
    CHECK_NE(read.error().text.find("lognormal(40s,0.3)"), std::string::npos);
  }
}
