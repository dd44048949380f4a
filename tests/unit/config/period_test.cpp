#include "config/period.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace muster;

namespace {

template <size_t N>
std::vector<int> values(const std::bitset<N>& set) {
  std::vector<int> found;
  for (size_t i = 0; i < N; ++i)
    if (set[i])
      found.push_back(static_cast<int>(i));
  return found;
}

period parsed(const std::string& text) {
  CAPTURE(std::string{text});
  auto result = parse_period(text);
  REQUIRE(result);
  return *result;
}

std::string error_of(const std::string& text) {
  auto result = parse_period(text);
  return result ? "none" : result.error().text;
}

} // namespace

TEST_CASE("a period has exactly five fields of known form") {
  struct row {
    std::string text;
    const char* expected;
  };
  const row rows[] = {
    {"* * * * *", "none"},
    {"\t*  * *\n* * ", "none"},
    {"", "invalid cron format"},
    {"* * * *", "invalid cron format"},
    {"* * * * * *", "invalid cron format"},
    {"@daily", "invalid cron format"},
    {"? * * * *", "invalid expression: ?"},
    {"* * L * *", "invalid expression: L"},
    {"* * * * mon#1", "invalid expression: mon#1"},
    {"* * * * monday", "invalid expression: monday"},
    {"* * * january *", "invalid expression: january"},
    {"mon * * * *", "invalid expression: mon"},
    {"1,,2 * * * *", "invalid expression: "},
    {"-5 * * * *", "invalid expression: -5"},
    {"1-2-3 * * * *", "invalid expression: 1-2-3"},
    {"*-5 * * * *", "invalid expression: *-5"},
    {"99999999999999999999 * * * *",
     "invalid expression: 99999999999999999999"},
    {"60 * * * *", "exceeds maximum: 59"},
    {"* 24 * * *", "exceeds maximum: 23"},
    {"* * 0 * *", "exceeds minimum: 1"},
    {"* * 32 * *", "exceeds maximum: 31"},
    {"* * * 13 *", "exceeds maximum: 12"},
    {"* * * * 8", "exceeds maximum: 7"},
    {"*/60 * * * *", "exceeds maximum: 59"},
    {"*/59 * * * *", "none"},
    {"*/0 * * * *", "step cannot be zero"},
    {"*/x * * * *", "step cannot be zero"},
    {"*/ * * * *", "step cannot be zero"},
    {"1/2/3 * * * *", "step cannot be zero"},
    {"*,* * * * *", "* already given"},
    {"*/2,*/3 * * * *", "none"},
    {"* * * JAN-mar Sat,sun", "none"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(error_of(r.text), r.expected);
  }
}

TEST_CASE("steps take the values that they divide") {
  CHECK_EQ(values(parsed("1-10/3 * * * *").minutes), std::vector{3, 6, 9});
  CHECK_EQ(values(parsed("*/20 * * * *").minutes), std::vector{0, 20, 40});
  CHECK_EQ(values(parsed("* * */10 * *").days), std::vector{10, 20, 30});
  CHECK(parsed("5/10 * * * *").minutes.none());
  CHECK_EQ(values(parsed("7/7 * * * *").minutes), std::vector{7});
  CHECK_EQ(values(parsed("3,1-2 * * * *").minutes), std::vector{1, 2, 3});
}

TEST_CASE("descending ranges wrap around") {
  CHECK_EQ(values(parsed("* 22-2 * * *").hours), std::vector{0, 1, 2, 22, 23});
  CHECK_EQ(values(parsed("* * * nov-feb *").months), std::vector{1, 2, 11, 12});
  CHECK(parsed("* 22-2 * * *").wraps);
  CHECK(!parsed("* 2-22 * * *").wraps);
  auto weekend = parsed("* * * * sat-sun");
  for (int day = 0; day <= 7; ++day)
    CHECK_EQ(matches(weekend, 0, 0, 1, 1, day),
             day == 6 || day == 0 || day == 7);
  CHECK_NE(wrap_notice("* 22-6 * * *").find("22-6"), std::string::npos);
}

TEST_CASE("sunday is 0 and 7") {
  struct row {
    std::string weekdays;
    std::vector<int> expected;
  };
  const row rows[] = {
    {"0", {0}},
    {"7", {0}},
    {"sun", {0}},
    {"5-7", {0, 5, 6}},
    {"*/7", {0}},
    {"7/7", {0}},
    {"1-5/2", {2, 4}},
    {"*/2", {0, 2, 4, 6}},
    {"fri-mon", {0, 1, 5, 6}},
    {"mon,sun", {0, 1}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.weekdays);
    auto what = parsed("* * * * " + r.weekdays);
    std::vector<int> found;
    for (int day = 0; day < 7; ++day)
      if (matches(what, 0, 0, 1, 1, day))
        found.push_back(day);
    CHECK_EQ(found, r.expected);
    CHECK_EQ(matches(what, 0, 0, 1, 1, 0), matches(what, 0, 0, 1, 1, 7));
  }
}

TEST_CASE("all five fields must match") {
  auto first_monday = parsed("* * 1-7 * mon");
  CHECK(matches(first_monday, 0, 0, 6, 7, 1));
  CHECK(!matches(first_monday, 0, 0, 13, 7, 1));
  CHECK(!matches(first_monday, 0, 0, 7, 7, 2));
  auto office = parsed("* 8-15 * * mon-fri");
  CHECK(!matches(office, 59, 7, 6, 7, 1));
  CHECK(matches(office, 0, 8, 6, 7, 1));
  CHECK(matches(office, 59, 15, 6, 7, 1));
  CHECK(!matches(office, 0, 16, 6, 7, 1));
}

TEST_CASE("values out of range never match") {
  auto always = parsed("* * * * *");
  CHECK(!matches(always, 60, 0, 1, 1, 0));
  CHECK(!matches(always, -1, 0, 1, 1, 0));
  CHECK(!matches(always, 0, 0, 0, 1, 0));
  CHECK(!matches(always, 0, 0, 1, 13, 0));
  CHECK(!matches(always, 0, 0, 1, 1, 8));
}

TEST_CASE("a period without any matching time is recognised") {
  CHECK(never_matches(parsed("5/10 * * * *")));
  CHECK(never_matches(parsed("* * 30 feb *")));
  CHECK(never_matches(parsed("* * 31 4,6,9,11 *")));
  CHECK(!never_matches(parsed("* * 29 2 *")));
  CHECK(!never_matches(parsed("* * * * *")));
}
