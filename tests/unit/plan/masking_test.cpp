#include "executors/plan/masking.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace muster;

namespace {

using texts = std::vector<std::string>;

job_variable variable(std::string value, bool masked = true) {
  job_variable x;
  x.value = secret{std::move(value)};
  x.masked = masked;
  return x;
}

} // namespace

TEST_CASE(
  "phrases are trimmed, unique and sorted so that the longest is first") {
  CHECK_EQ(mask_phrases({}), texts{});
  CHECK_EQ(
    mask_phrases({variable("short"), variable("  much longer\n"),
                  variable("shown", false), variable(""), variable(" \t"),
                  variable("short"), variable("xhort"), variable("x")}),
    texts{"much longer", "xhort", "short", "x"});
}

TEST_CASE("an overridden value is masked too") {
  CHECK_EQ(mask_phrases({variable("old"), variable("newer")}),
           texts{"newer", "old"});
}

TEST_CASE("prefixes are the defaults and the job's own, the first fifteen") {
  job_payload payload;
  SUBCASE("only the oldest default") {
    CHECK_EQ(mask_prefixes(payload, false), texts{"glpat-"});
  }
  SUBCASE("all defaults") {
    CHECK_EQ(mask_prefixes(payload, true),
             texts{"gldt-", "glft-", "glrt-", "glcbt-", "glimt-", "gloas-",
                   "glpat-", "glptt-", "glrtr-", "gltok-", "glffct-", "glsoat-",
                   "glagent-", "_gitlab_session="});
  }
  SUBCASE("the job's own, without doubles") {
    payload.token_mask_prefixes = {"my-", "glpat-", "", "longest-prefix-"};
    CHECK_EQ(mask_prefixes(payload, false),
             texts{"my-", "glpat-", "longest-prefix-"});
  }
  SUBCASE("too many") {
    payload.token_mask_prefixes = {"a-", "b-"};
    auto prefixes = mask_prefixes(payload, true);
    CHECK_EQ(prefixes.size(), 15u);
    CHECK_EQ(prefixes.front(), "a-");
    CHECK_EQ(prefixes.back(), "glagent-"); // the longest one is left out
  }
}
