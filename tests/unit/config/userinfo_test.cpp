#include "config/userinfo.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("names and passwords in URLs are masked") {
  struct row {
    const char* text;
    const char* expected;
  };
  const row rows[] = {
    {"", ""},
    {"https://gl.test/a", "https://gl.test/a"},
    {"https://u:p@gl.test/a", "https://[MASKED]@gl.test/a"},
    {"https://token@gl.test", "https://[MASKED]@gl.test"},
    {"[\"http://u:p@a\", \"http://b\", \"x@y\"]",
     "[\"http://[MASKED]@a\", \"http://b\", \"x@y\"]"},
    {"http://a, http://u:p@b", "http://a, http://[MASKED]@b"},
    {"https://u:p/q@r@gl.test", "https://[MASKED]@gl.test"},
    {"https://u:p://q@gl.test", "https://[MASKED]@gl.test"},
    {"image@sha256:1", "image@sha256:1"},
    {"https://", "https://"},
  };
  for (const auto& r : rows)
    CHECK_EQ(without_userinfo(r.text), r.expected);
}
