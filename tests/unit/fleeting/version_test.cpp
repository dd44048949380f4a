#include "providers/fleeting/version.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::fleeting;

TEST_CASE("only full semantic versions are versions") {
  for (const auto* text : {"1.0.0", "0.0.0", "1.10.2", "2.0.0-rc.1",
                           "1.2.3-0.x-y.7", "18446744073709551615.0.0"})
    CHECK_MESSAGE(parse_version(text), text);
  for (const auto* text :
       {"", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01",
        "1.2.3-a..b", "1.2.3+build", "1.2.x", "1.2.-3", " 1.2.3", "latest",
        "18446744073709551616.0.0", "1.2.3-\xff"})
    CHECK_MESSAGE(!parse_version(text), text);
}

TEST_CASE("versions have the order of semantic versions") {
  const char* in_order[]
    = {"1.0.0-1",       "1.0.0-2",    "1.0.0-10",   "1.0.0-alpha",
       "1.0.0-alpha.1", "1.0.0-beta", "1.0.0",      "1.1.0",
       "1.9.0",         "1.10.2",     "2.0.0-rc.1", "2.0.0"};
  const version* before = nullptr;
  version last;
  for (const auto* text : in_order) {
    auto now = parse_version(text);
    REQUIRE(now);
    if (before != nullptr) {
      CAPTURE(text);
      CHECK(is_older(last, *now));
      CHECK(!is_older(*now, last));
    }
    last = *now;
    before = &last;
    CHECK(!is_older(last, last));
  }
}

TEST_CASE("a tag allows what agrees in each part that it gives") {
  struct row {
    const char* tag;
    const char* version;
    bool allowed;
  };
  const row rows[] = {
    {"", "1.10.2", true},
    {"latest", "1.10.2", true},
    {"latest", "2.0.0-rc.1", false},
    {"1", "1.10.2", true},
    {"1", "2.0.0", false},
    {"1.1", "1.1.0", true},
    {"1.1", "1.10.2", false},
    {"2", "2.0.0-rc.1", false},
    {"2.0.0-rc.1", "2.0.0-rc.1", true},
    {"2.0.0", "2.0.0-rc.1", false},
    {"2.0.0-rc.1", "2.0.0", false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.tag);
    CAPTURE(r.version);
    auto tag = parse_constraint(r.tag);
    REQUIRE(tag);
    CHECK_EQ(allows(*tag, *parse_version(r.version)), r.allowed);
  }
  for (const auto* tag : {"1.x", "v1.0.0", "1.2.3.4", "1-rc", "1.2-rc", "^1"}) {
    auto none = parse_constraint(tag);
    REQUIRE_MESSAGE(!none, tag);
    CHECK_NE(
      none.error().text.find("parsing constraint: invalid semantic version"),
      std::string::npos);
  }
}
