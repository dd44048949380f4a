#include "executors/helper/archive/glob.hpp"
#include "tests/unit/helper_commands/scratch.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace muster::helper;
using namespace muster::test;

TEST_CASE("a pattern matches paths as doublestar does") {
  struct row {
    const char* pattern;
    const char* path;
    bool expected;
  };
  const row rows[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"a/b", "a/b", true},
    {"a/", "a", true},
    {"./a", "a", true},
    {"*", "a", true},
    {"*", ".hidden", true},
    {"*", "a/b", false},
    {"*.txt", "a.txt", true},
    {"*.txt", "dir/a.txt", false},
    {"**", "a/b/c", true},
    {"**/*.txt", "a.txt", true},
    {"**/*.txt", "a/b/c.txt", true},
    {"a/**", "a", true},
    {"a/**", "a/b/c", true},
    {"a/**", "ab", false},
    {"a/**/z", "a/z", true},
    {"a/**/z", "a/b/c/z", true},
    {"a/**/z", "a/b/c/y", false},
    {"**/b/**/d", "a/b/c/b/c/d", true},
    {"a?c", "abc", true},
    {"a?c", "a/c", false},
    {"a?c",
     "a\xc3\xbc"
     "c",
     true},
    {"[a-c]x", "bx", true},
    {"[!a-c]x", "bx", false},
    {"[^a-c]x", "dx", true},
    {"[]]", "]", true},
    {"[a", "a", false},
    {"a*b*c", "aXbYbZc", true},
    {"a*b*c", "aXbYbZ", false},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"*.{jpg,png}", "a.png", true},
    {"*.{jpg,png}", "a.gif", false},
    {"{a,b/{c,d}}/e", "b/d/e", true},
    {"{a,b/{c,d}}/e", "b/e/e", false},
    {"{a", "{a", false},
    {"\\{a", "{a", true},
    {"a**b", "aXb", true},
    {"", "a", false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.pattern);
    CAPTURE(r.path);
    CHECK_EQ(glob{r.pattern}.matches(r.path), r.expected);
  }
}

TEST_CASE("alternatives are bounded") {
  CHECK_EQ(braces_expanded("{a,b}{c,d}").size(), 4);
  std::string many;
  for (int i = 0; i < 40; ++i)
    many += "{a,b}";
  CHECK(braces_expanded(many).empty());
}

TEST_CASE("a name with many stars takes no time without end") {
  std::string pattern;
  for (int i = 0; i < 200; ++i)
    pattern += "*a";
  CHECK_FALSE(name_matches(pattern + "b", std::string(5'000, 'a')));
}

TEST_CASE("files are found where the pattern leads, links are not entered") {
  scratch here;
  write_file("a/one.txt", "");
  write_file("a/b/two.txt", "");
  write_file("a/b/.hidden", "");
  write_file("other/three.txt", "");
  fs::create_symlink("b", "a/link");
  struct row {
    const char* pattern;
    std::set<std::string> expected;
  };
  const row rows[] = {
    {"a/*.txt", {"a/one.txt"}},
    {"**/*.txt", {"a/one.txt", "a/b/two.txt", "other/three.txt"}},
    {"a/*/two.txt", {"a/b/two.txt"}},
    {"a/link/*.txt", {"a/link/two.txt"}},
    {"a/link", {"a/link"}},
    {"a/b/**", {"a/b", "a/b/two.txt", "a/b/.hidden"}},
    {"nothing/**", {}},
    {"{other,a}/*.txt", {"a/one.txt", "other/three.txt"}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.pattern);
    std::set<std::string> found;
    glob{r.pattern}.find([&](const std::string& path) { found.insert(path); });
    CHECK_EQ(found, r.expected);
  }
}
