#include "actors/trace/limit.hpp"
#include "actors/trace/utf8.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace muster;

namespace {

std::string repaired(const std::vector<std::string>& writes) {
  utf8_repair repair;
  std::string all;
  for (const auto& write : writes) {
    std::string scratch;
    all += repair.repair(write, scratch);
  }
  return all + repair.close();
}

std::vector<std::string> one_byte_each(const std::string& text) {
  std::vector<std::string> writes;
  for (auto c : text)
    writes.emplace_back(1, c);
  return writes;
}

} // namespace

TEST_CASE("each byte of no valid sequence becomes one U+FFFD") {
  struct row {
    const char* what;
    std::string bytes;
    std::string expected;
  };
  const std::string bad = "\ufffd";
  const row rows[] = {
    {"ASCII and NUL", std::string("a\0b", 3), std::string("a\0b", 3)},
    {"two bytes", "\u00e4", "\u00e4"},
    {"three bytes", "\u20ac\ufffd", "\u20ac\ufffd"},
    {"four bytes", "\U0001f600\U0010ffff", "\U0001f600\U0010ffff"},
    {"lone continuation", "a\x80z", "a" + bad + "z"},
    {"no lead byte", "\xff\xfe", bad + bad},
    {"overlong", "\xc0\xaf", bad + bad},
    {"overlong, three bytes", "\xe0\x80\xaf", bad + bad + bad},
    {"surrogate", "\xed\xa0\x80", bad + bad + bad},
    {"beyond U+10FFFF", "\xf4\x90\x80\x80", bad + bad + bad + bad},
    {"broken off, then text", "\xe2\x82z", bad + bad + "z"},
    {"broken off at the end", "a\xf0\x9f\x98", "a" + bad + bad + bad},
    {"lead before lead", "\xe2\xe2\x82\xac", bad + "\u20ac"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(repaired({r.bytes}), r.expected);
    CHECK_EQ(repaired(one_byte_each(r.bytes)), r.expected);
  }
}

TEST_CASE("repairing does not depend on where writes are cut") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  const unsigned char bytes[]
    = {'a', 0x80, 0xbf, 0xc3, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0xed, 0xff};
  for (auto round = 0; round < 2000; ++round) {
    std::string text;
    for (auto n = chance() % 40; n-- > 0;)
      text += static_cast<char>(bytes[chance() % sizeof(bytes)]);
    std::vector<std::string> writes;
    for (size_t at = 0; at < text.size();) {
      auto size = 1 + chance() % 6;
      writes.push_back(text.substr(at, size));
      at += size;
    }
    auto whole = repaired({text});
    REQUIRE_EQ(repaired(writes), whole);
    REQUIRE_EQ(repaired({whole}), whole);
  }
}

TEST_CASE("what reaches the limit is cut, at a character") {
  struct row {
    const char* what;
    int64_t limit;
    std::vector<std::string> writes;
    std::string expected;
    bool reached;
  };
  const row rows[] = {
    {"below", 5, {"abcd"}, "abcd", false},
    {"reached exactly", 4, {"abcd"}, "abcd", true},
    {"exceeded", 4, {"abcdef"}, "abcd", true},
    {"over several writes", 4, {"ab", "cdef", "gh"}, "abcd", true},
    {"within a character", 4, {"abc\u20ac"}, "abc", true},
    {"after a character", 6, {"abc\u20acd"}, "abc\u20ac", true},
    {"no room for one", 1, {"\u20ac"}, "", true},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    output_limit limit{r.limit};
    std::string all;
    for (const auto& write : r.writes)
      all += limit.take(write);
    CHECK_EQ(all, r.expected);
    CHECK_EQ(limit.reached(), r.reached);
  }
}
