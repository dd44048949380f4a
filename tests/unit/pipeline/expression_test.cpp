#include "tools/coordinator/pipeline/expression.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <string>

using namespace muster::gitlab;

namespace {

const variable_map values{{"A", "one"},
                          {"EMPTY", ""},
                          {"BRANCH", "feature/x-12"},
                          {"PATTERN", "/^feature/"},
                          {"NOT_A_PATTERN", "feature"},
                          {"LINES", "first\nsecond"}};

} // namespace

TEST_CASE("conditions of rules are as GitLab evaluates them") {
  struct row {
    const char* text;
    bool expected;
  };
  const row rows[] = {
    {"$A", true},
    {"$EMPTY", false},
    {"$GONE", false},
    {"\"\"", false},
    {"\"x\"", true},
    {"null", false},
    {"$A == \"one\"", true},
    {"$A == 'one'", true},
    {"'one' == $A", true},
    {"$A==\"one\"", true},
    {"$A == \"two\"", false},
    {"$A != \"two\"", true},
    {"$GONE == null", true},
    {"$EMPTY == null", false},
    {"$EMPTY == \"\"", true},
    {"$GONE != \"\"", true},
    {"$GONE == $ALSO_GONE", true},
    {"$BRANCH =~ /^feature/", true},
    {"$BRANCH =~ /^FEATURE/", false},
    {"$BRANCH =~ /^FEATURE/i", true},
    {"$BRANCH =~ /feature\\/x-\\d+$/", true},
    {"$BRANCH !~ /^release/", true},
    {"$BRANCH =~ $PATTERN", true},
    {"$BRANCH =~ $NOT_A_PATTERN", false},
    {"$BRANCH =~ $GONE", false},
    {"$GONE =~ /x/", false},
    {"$GONE !~ /x/", true},
    {"$LINES =~ /^second/", false},
    {"$LINES =~ /^second/m", true},
    {"$A && $BRANCH", true},
    {"$A && $GONE", false},
    {"$GONE || $A", true},
    {"$GONE || $A && $GONE", false},
    {"$A || $GONE && $GONE", true},
    {"($A || $GONE) && $GONE", false},
    {"$GONE && $GONE || $A", true},
    {"($A == \"one\") && ($BRANCH =~ /x/ || null)", true},
    {"((($A)))", true},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto found = evaluate(r.text, values);
    if (!found)
      FAIL(found.error().text);
    CHECK_EQ(*found, r.expected);
  }
}

TEST_CASE("a condition that is none is refused with the place in it") {
  struct row {
    const char* text;
    const char* message;
  };
  const row rows[] = {
    {"", "missing at its end"},
    {"$A ==", "missing at its end"},
    {"$A == == \"x\"", "missing at \"== \"x\"\""},
    {"$A = \"one\"", "neither"},
    {"$A \"one\"", "an operator is missing at \"\"one\"\""},
    {"A == \"one\"", "neither"},
    {"${A} == \"one\"", "written $NAME"},
    {"$A == \"one", "a quote that is not closed"},
    {"$A =~ /x", "not closed"},
    {"$A =~ \"x\"", "a /regular expression/"},
    {"$A =~ /(/", "RE2 does not know"},
    {"$A =~ /(?=x)/", "RE2 does not know"},
    {"$A =~ /x/q", "RE2 does not know"},
    {"($A", "not closed"},
    {"$A)", "an operator is missing"},
    {"$A & $B", "neither"},
    {"/x/ == $A", "missing"},
    {"nullx", "neither"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto found = evaluate(r.text, values);
    REQUIRE_FALSE(found);
    CAPTURE(found.error().text);
    CHECK_NE(found.error().text.find(r.message), std::string::npos);
  }
  CHECK_FALSE(
    evaluate(std::string(500, '(') + "$A" + std::string(500, ')'), values));
  CHECK_FALSE(evaluate(std::string(20'000, ' ') + "$A", values));
}

TEST_CASE("a regular expression cannot hold the reader up") {
  auto begin = std::chrono::steady_clock::now();
  variable_map long_text{{"A", std::string(50'000, 'a') + "b"}};
  CHECK(evaluate("$A =~ /(a*)*(a|aa)+c/", long_text).has_value());
  CHECK_FALSE(evaluate("$A =~ /((a{1,1000}){1,1000}){1,1000}/", long_text));
  CHECK_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{20});
}

TEST_CASE("variables are expanded in each other, and never without end") {
  const variable_map nested{{"A", "x${B}y"},
                            {"B", "$C-$C"},
                            {"C", "1"},
                            {"ME", "$ME."},
                            {"TWO", "$$A"}};
  CHECK_EQ(expand_variables("$A/$GONE/${C}", nested), "x1-1y//1");
  CHECK_EQ(expand_variables("$$A $ ${ ${C $", nested), "$A $ ${ ${C $");
  CHECK_EQ(expand_variables("$TWO", nested), "$A");
  CHECK_LT(expand_variables("$ME", nested).size(), 20);
  variable_map bomb{{"X0", std::string(1000, 'x')}};
  for (int i = 1; i < 10; ++i) {
    std::string text;
    for (int k = 0; k < 100; ++k)
      text += "$X" + std::to_string(i - 1);
    bomb["X" + std::to_string(i)] = text;
  }
  CHECK_LT(expand_variables("$X9", bomb).size(), 100'000);
}
