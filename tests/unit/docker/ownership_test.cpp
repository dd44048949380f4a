#include "executors/docker/ownership.hpp"

#include <doctest/doctest.h>

using namespace muster::docker;

namespace {

constexpr const char* passwd = "root:x:0:0:root:/root:/bin/sh\n"
                               "plain:x:1000:1001:plain:/tmp:/bin/sh\n"
                               "broken\n"
                               "odd:x:notanumber:5::/:/bin/sh";
constexpr const char* group = "root:x:0:\nstaff:x:50:\n";

/// A header of ustar, as far as it is looked at, and a file.
std::string member(char type, const std::string& content,
                   const std::string& size) {
  std::string head(512, '\0');
  head.replace(124, size.size(), size);
  head[156] = type;
  auto padded = content;
  padded.resize((content.size() + 511) / 512 * 512, '\0');
  return head + padded;
}

} // namespace

TEST_CASE("a container's user is found in its own files") {
  struct row {
    const char* user;
    const char* owner; ///< null: nobody's but root's
  };
  const row rows[] = {
    {"plain", "1000:1001"},
    {"1000", "1000:1001"},
    {"plain:staff", "1000:50"},
    {"plain:7", "1000:7"},
    {"2000", "2000:0"},
    {"2000:50", "2000:50"},
    {"plain:nobody", "1000:1001"},
    {"root", nullptr},
    {"0", nullptr},
    {"0:1000", nullptr},
    {"unknown", nullptr},
    {"odd", nullptr},
    {"broken", nullptr},
  };
  for (const auto& r : rows) {
    CAPTURE(r.user);
    auto owner = owner_of(r.user, passwd, group);
    CHECK_EQ(owner.value_or("none"), r.owner == nullptr ? "none" : r.owner);
  }
  CHECK_FALSE(owner_of("plain", "", ""));
}

TEST_CASE("the file of an archive is read, and nothing beyond its bytes") {
  auto text
    = first_file(member('0', "hello", "00000000005") + std::string(1024, '\0'));
  REQUIRE(text);
  CHECK_EQ(*text, "hello");
  auto behind = first_file(member('x', "more", "00000000004")
                           + member('0', "hello", "00000000005")
                           + std::string(1024, '\0'));
  CHECK_EQ(behind.value_or(""), "hello");
  CHECK_FALSE(first_file(""));
  CHECK_FALSE(first_file(std::string(2000, '\0')));
  CHECK_FALSE(first_file(member('0', "hello", "00000777777")));
  CHECK_FALSE(first_file(member('0', "hello", "99999999999")));
}
