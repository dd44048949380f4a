#include "config/duration.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <random>

using namespace muster;
using std::chrono::nanoseconds;

TEST_CASE("durations are read as Go reads them") {
  struct row {
    std::string text;
    int64_t expected;
  };
  const row rows[] = {
    {"0", 0},
    {"-0", 0},
    {"0s", 0},
    {"20m0s", 1'200'000'000'000},
    {"1h30m", 5'400'000'000'000},
    {"1.5h", 5'400'000'000'000},
    {"-1s", -1'000'000'000},
    {"+5s", 5'000'000'000},
    {".5s", 500'000'000},
    {"5.s", 5'000'000'000},
    {"-.5s", -500'000'000},
    {"250ms", 250'000'000},
    {"3us", 3'000},
    {"3\xc2\xb5s", 3'000},
    {"3\xce\xbcs", 3'000},
    {"17ns", 17},
    {"1h1m1s1ms1us1ns", 3'661'001'001'001},
    {"0.100000000000000000000h", 360'000'000'000},
    {"0.3333333333333333333h", 1'200'000'000'000},
    {"0.9223372036854775807h", 3'320'413'933'267},
    {"9223372036854775807ns", std::numeric_limits<int64_t>::max()},
    {"-9223372036854775808ns", std::numeric_limits<int64_t>::min()},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto parsed = parse_duration(r.text);
    REQUIRE(parsed);
    CHECK_EQ(parsed->count(), r.expected);
  }
}

TEST_CASE("what Go refuses as a duration is refused") {
  for (const auto* text : {"",
                           "-",
                           "+",
                           "s",
                           ".",
                           "-.",
                           ".s",
                           "3",
                           "3000000h",
                           "1 h",
                           " 1h",
                           "1h ",
                           "3d",
                           "5min",
                           "1h30",
                           "1,5h",
                           "--1s",
                           "9223372036854775808ns",
                           "9223372036854775.808us",
                           "99999999999999999999s",
                           "1h-1m",
                           "1e3s",
                           "20 m",
                           "1S"}) {
    CAPTURE(std::string{text});
    auto parsed = parse_duration(text);
    REQUIRE(!parsed);
    CHECK_EQ(parsed.error().code, config_errc::not_valid);
    CHECK_NE(parsed.error().text.find("invalid duration"), std::string::npos);
  }
}

TEST_CASE("durations are written as Go writes them") {
  struct row {
    int64_t count;
    const char* expected;
  };
  const row rows[] = {
    {0, "0s"},
    {1, "1ns"},
    {1'100, "1.1\xc2\xb5s"},
    {2'200'000, "2.2ms"},
    {250'000'000, "250ms"},
    {1'500'000'000, "1.5s"},
    {900'000'000'000, "15m0s"},
    {3'600'000'000'000, "1h0m0s"},
    {305'001'000'000, "5m5.001s"},
    {-1'000'000'000, "-1s"},
    {std::numeric_limits<int64_t>::max(), "2562047h47m16.854775807s"},
    {std::numeric_limits<int64_t>::min(), "-2562047h47m16.854775808s"},
  };
  for (const auto& r : rows)
    CHECK_EQ(format_duration(nanoseconds{r.count}), r.expected);
}

TEST_CASE("a written duration is read back as the same one") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 chance{seed};
  for (int i = 0; i < 2000; ++i) {
    auto bits = chance() >> (chance() % 64);
    nanoseconds value{static_cast<int64_t>(bits)};
    auto text = format_duration(value);
    CAPTURE(std::string{text});
    auto parsed = parse_duration(text);
    REQUIRE(parsed);
    // A fraction passes through a double, as in Go.
    auto apart = parsed->count() - value.count();
    CHECK_LE(apart < 0 ? -apart : apart, 1);
  }
}
