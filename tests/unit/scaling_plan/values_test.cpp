#include "tools/muster/plan/scaling_plan.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("a price is a number, of an hour") {
  CHECK_EQ(plan::parse_price("0.17/h")->per_hour, doctest::Approx(0.17));
  CHECK_EQ(plan::parse_price("2")->per_hour, 2);
  CHECK_EQ(plan::parse_price("0/h")->per_hour, 0);
  for (const auto* text :
       {"", "/h", "0.17/d", "0.17 /h", " 1", "-1", "-0", "1e3", "0x10", "nan",
        "inf", "1000001", "1,5", "$1", "1/h/h", "1\n"}) {
    CAPTURE(text);
    auto read = plan::parse_price(text);
    REQUIRE_FALSE(read);
    CHECK_EQ(read.error().code, config_errc::not_valid);
    CHECK_NE(read.error().text.find("write it like 0.17/h"), std::string::npos);
  }
}

TEST_CASE("a date has a year, a month and a day that are there") {
  CHECK_EQ(*plan::parse_date("2026-11-23"), 2026y / 11 / 23);
  CHECK_EQ(*plan::parse_date("2028-02-29"), 2028y / 2 / 29);
  for (const auto* text :
       {"", "2026-11-3", "2026-13-01", "2026-00-01", "2026-02-30", "2027-02-29",
        "23.11.2026", "2026/11/23", "2026-11-23 ", "1969-12-29", "2026--1-01",
        "-026-11-23", "abcd-ef-gh"}) {
    CAPTURE(text);
    auto read = plan::parse_date(text);
    REQUIRE_FALSE(read);
    CHECK_NE(read.error().text.find("write it like 2026-11-23"),
             std::string::npos);
  }
}
