#include "executors/cache/keys.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("a key is cleaned so that it stays below the caches") {
  struct row {
    const char* raw;
    const char* expected;
    const char* warning;
  };
  const row rows[] = {
    {"main", "main", ""},
    {"a/b-1", "a/b-1", ""},
    {"test me", "test me", ""},
    {"../../etc/passwd", "etc/passwd",
     R"(cache key "../../etc/passwd" sanitized to "etc/passwd")"},
    {"a/../b", "b", R"(cache key "a/../b" sanitized to "b")"},
    {"/a//b/", "a/b", R"(cache key "/a//b/" sanitized to "a/b")"},
    {"./a/.", "a", R"(cache key "./a/." sanitized to "a")"},
    {R"(a\..\b)", "b", R"(cache key "a\\..\\b" sanitized to "b")"},
    {"%2e%2E%2fx", "x", R"(cache key "%2e%2E%2fx" sanitized to "x")"},
    {"a%2Fb", "a/b", R"(cache key "a%2Fb" sanitized to "a/b")"},
    {"a \t", "a", "cache key \"a \\x09\" sanitized to \"a\""},
    {"a/ / ", "a", R"(cache key "a/ / " sanitized to "a")"},
    {"a/b/.. ", "a", R"(cache key "a/b/.. " sanitized to "a")"},
    {" a", " a", ""},
    {"main-protected", "main-protected", ""},
    {"..", "", R"(cache key ".." could not be sanitized)"},
    {" ", "", R"(cache key " " could not be sanitized)"},
    {"%2f", "", R"(cache key "%2f" could not be sanitized)"},
    {".. ", "", R"(cache key ".. " could not be sanitized)"},
    {"", "", ""},
    {"a\nb", "a\nb", ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.raw);
    auto key = make_cache_key(r.raw, false);
    CHECK_EQ(key.shown, r.expected);
    CHECK_EQ(key.stored, r.expected);
    CHECK_EQ(key.warning, r.warning);
    CHECK_EQ(key.usable, *r.expected != '\0');
  }
}

TEST_CASE("a hashed key is the digest of the raw one and changes nothing") {
  // The digest of `abc`: FIPS 180-2.
  const std::string digest
    = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  auto key = make_cache_key("abc", true);
  CHECK_EQ(key.shown, "abc");
  CHECK_EQ(key.stored, digest);
  CHECK_EQ(key.alternate, "abc");
  CHECK_EQ(make_cache_key("abc", false).alternate, digest);
  key = make_cache_key("../..", true);
  CHECK_EQ(key.shown, "../..");
  CHECK_EQ(key.warning, "");
  CHECK_EQ(key.alternate, "");
  CHECK(key.usable);
  CHECK_FALSE(make_cache_key("", true).usable);
  CHECK_EQ(make_cache_key("../a", false).alternate,
           make_cache_key("../a", true).stored);
}

TEST_CASE("without a key a cache is its job's and ref's") {
  CHECK_EQ(default_cache_key("build", "main"), "build/main");
  CHECK_EQ(default_cache_key("build: [a/b]", "feature/x"),
           "build: [a/b]/feature/x");
  CHECK_EQ(default_cache_key("../build", "main"), "build/main");
}

TEST_CASE("the keys of protected branches are known whatever ends them") {
  for (auto key :
       {"x-protected", "x-protected.", "x-protected . .", "-protected "})
    CHECK_MESSAGE(is_protected_cache_key(key), key);
  for (auto key : {"x-non_protected", "x-protected-1", "", ".", "protected"})
    CHECK_FALSE_MESSAGE(is_protected_cache_key(key), key);
}
