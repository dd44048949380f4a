#include "config/listen_address.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("an address for a server is host and port, and 9252 without one") {
  struct row {
    const char* text;
    listen_address expected;
    const char* shown;
  };
  const row rows[] = {
    {"localhost:8080", {"localhost", 8080}, "localhost:8080"},
    {"localhost", {"localhost", 9252}, "localhost:9252"},
    {"10.0.0.1", {"10.0.0.1", 9252}, "10.0.0.1:9252"},
    {":9000", {"", 9000}, ":9000"},
    {":", {"", 9252}, ":9252"},
    {"host:", {"host", 9252}, "host:9252"},
    {"host:0", {"host", 0}, "host:0"},
    {"[::1]:80", {"::1", 80}, "[::1]:80"},
    {"[::1]", {"::1", 9252}, "[::1]:9252"},
    {"[fe80::1%eth0]:1", {"fe80::1%eth0", 1}, "[fe80::1%eth0]:1"},
  };
  for (const auto& x : rows) {
    CAPTURE(x.text);
    auto got = parse_listen_address(x.text);
    REQUIRE(got);
    CHECK_EQ(*got, x.expected);
    CHECK_EQ(got->text(), x.shown);
  }
}

TEST_CASE("what is no address says what to write") {
  for (const auto* text :
       {"::1", "a:b:c", "[::1", "[::1]80", "host:http", "host:65536", "host:-1",
        "host: 1", "http://host:9252", "two hosts:1", "ho[st:1"}) {
    CAPTURE(text);
    auto got = parse_listen_address(text);
    REQUIRE(!got);
    CHECK_NE(got.error().text.find(text), std::string::npos);
    CHECK_NE(got.error().text.find("host:port"), std::string::npos);
  }
}
