#include "executors/plan/variables.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

job_variable variable(std::string key, std::string value, bool file = false,
                      bool raw = false) {
  job_variable x;
  x.key = std::move(key);
  x.value = secret{std::move(value)};
  x.file = file;
  x.raw = raw;
  return x;
}

job_variables sample() {
  job_variables vars{"/tmp/p.tmp"};
  vars.add(variable("A", "first"));
  vars.add(variable("A", "last"));
  vars.add(variable("B", "<$A>"));
  vars.add(variable("FILE", "content", true));
  vars.add(variable("RAW", "$A", false, true));
  return vars;
}

} // namespace

TEST_CASE("references are expanded as GitLab's runner does") {
  struct row {
    const char* what;
    const char* text;
    const char* expected;
  };
  const row rows[] = {
    {"nothing to expand", "plain", "plain"},
    {"the last wins", "$A", "last"},
    {"braces", "x${A}y", "xlasty"},
    {"the name ends at other characters", "$A-$A/$A.", "last-last/last."},
    {"unknown", "[$NOPE][${NOPE}]", "[][]"},
    {"once only", "$B", "<$A>"},
    {"a file variable is its path", "$FILE", "/tmp/p.tmp/FILE"},
    {"raw ones may be referred to", "${RAW}", "$A"},
    {"two dollars are one", "$$A", "$A"},
    {"two dollars in braces", "${$}A", "$A"},
    {"special parameters are empty", "[$*$#$@$!$?$-$0$9]", "[]"},
    {"special parameters in braces", "[${*}${1}]", "[]"},
    {"a digit is a whole name", "$1A", "A"},
    {"a dollar without a name stays", "a$ b$", "a$ b$"},
    {"a dollar before another character", "$/x$.", "$/x$."},
    {"empty braces vanish", "a${}b", "ab"},
    {"an open brace vanishes", "a${A", "aA"},
    {"braces take any name", "[${A-b}]", "[]"},
    {"longer names are other names", "$AB", ""},
    {"underscores belong to names", "$_A|$A_", "|"},
  };
  auto vars = sample();
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(vars.expand(r.text), r.expected);
  }
}

TEST_CASE("all values are expanded against the unexpanded ones, raw ones not") {
  auto vars = sample().expanded();
  CHECK_EQ(vars.value("B"), "<last>");
  CHECK_EQ(vars.value("RAW"), "$A");
  CHECK_EQ(vars.value("FILE"), "/tmp/p.tmp/FILE");
  CHECK_EQ(vars.find("NOPE"), std::nullopt);
  job_variables circle;
  circle.add(variable("X", "x$Y"));
  circle.add(variable("Y", "y$X"));
  CHECK_EQ(circle.expanded().value("X"), "xy$X");
}

TEST_CASE("what is in force is the last of each name, in order") {
  auto now = sample().in_force();
  REQUIRE_EQ(now.size(), 4u);
  CHECK_EQ(now[0].key, "A");
  CHECK_EQ(now[0].value.reveal(), "last");
  CHECK_EQ(now[3].key, "RAW");
}

TEST_CASE("a variable of the runner's own is not expanded") {
  job_variables vars;
  vars.add("P", "a$A");
  CHECK_EQ(vars.expanded().value("P"), "a$A");
}

TEST_CASE("words are split at any blanks") {
  using words = std::vector<std::string>;
  CHECK_EQ(words_of(""), words{});
  CHECK_EQ(words_of(" \t\n"), words{});
  CHECK_EQ(words_of(" --prune\t--quiet \n-x"),
           words{"--prune", "--quiet", "-x"});
}
