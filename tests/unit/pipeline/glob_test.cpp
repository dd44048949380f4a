#include "tools/coordinator/pipeline/glob.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <string>

using namespace muster::gitlab;

TEST_CASE("patterns fit paths") {
  struct row {
    const char* pattern;
    const char* path;
    bool expected;
  };
  const row rows[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"/a", "a", true},
    {"*", "a.c", true},
    {"*", "a/b", false},
    {"*.c", "a.c", true},
    {"*.c", ".c", true},
    {"*.c", "a.h", false},
    {"src/*", "src/a", true},
    {"src/*", "src/a/b", false},
    {"src/**", "src/a/b", true},
    {"src/**/*", "src/a/b", true},
    {"src/**/*.c", "src/x.c", true},
    {"src/**/*.c", "src/a/b/x.c", true},
    {"**/*.c", "x.c", true},
    {"**/*.c", "a/b/x.c", true},
    {"**/x", "ax", false},
    {"a?c", "abc", true},
    {"a?c", "a/c", false},
    {"[a-c]x", "bx", true},
    {"[!a-c]x", "bx", false},
    {"[^a]x", "bx", true},
    {"[a", "[a", true},
    {"*.{c,h}", "x.h", true},
    {"*.{c,h}", "x.cc", false},
    {"{a,{b,c}}/x", "c/x", true},
    {"{a", "{a", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"", "", true},
    {"", "a", false},
    {"Dockerfile*", "Dockerfile.base", true},
  };
  for (const auto& r : rows) {
    CAPTURE(r.pattern);
    CAPTURE(r.path);
    CHECK_EQ(path_fits(r.pattern, r.path), r.expected);
  }
  CHECK(is_pattern("a/*.yml"));
  CHECK_FALSE(is_pattern("a/b.yml"));
}

TEST_CASE("a pattern made to take for ever is given up") {
  auto begin = std::chrono::steady_clock::now();
  std::string stars;
  for (int i = 0; i < 300; ++i)
    stars += "*a";
  CHECK_FALSE(path_fits(stars + "b", std::string(900, 'a')));
  std::string braces;
  for (int i = 0; i < 100; ++i)
    braces += "{a,b}";
  path_fits(braces, "x");
  CHECK_FALSE(path_fits(std::string(5000, '*'), "x"));
  CHECK_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{20});
}
