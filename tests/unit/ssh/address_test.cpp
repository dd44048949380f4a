#include "executors/ssh/address.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::ssh;

TEST_CASE("addresses are read in every form that a provider may give") {
  struct row {
    const char* host;
    uint16_t port;
    const char* expected_host;
    uint16_t expected_port;
    const char* text;
  };
  const row rows[] = {
    {"10.0.0.1", 22, "10.0.0.1", 22, "10.0.0.1:22"},
    {"10.0.0.1:2222", 22, "10.0.0.1", 2222, "10.0.0.1:2222"},
    {"build.example", 2200, "build.example", 2200, "build.example:2200"},
    {"build.example:1", 22, "build.example", 1, "build.example:1"},
    {"::1", 22, "::1", 22, "[::1]:22"},
    {"fe80::1:2", 22, "fe80::1:2", 22, "[fe80::1:2]:22"},
    {"[::1]", 23, "::1", 23, "[::1]:23"},
    {"[2001:db8::1]:65535", 22, "2001:db8::1", 65535, "[2001:db8::1]:65535"},
    {"host:22", 0, "host", 22, "host:22"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.host);
    auto got = parse_address(r.host, r.port);
    REQUIRE(got);
    CHECK_EQ(got->host, r.expected_host);
    CHECK_EQ(got->port, r.expected_port);
    CHECK_EQ(to_text(*got), r.text);
  }
}

TEST_CASE("what is no address is refused with a text that shows it") {
  for (auto host : {"", ":22", "host:", "host:0", "host:65536", "host:ssh",
                    "host:-1", "[::1", "[::1]x", "[::1]:", "[]:22", "["}) {
    CAPTURE(host);
    auto got = parse_address(host, 22);
    REQUIRE_FALSE(got);
    CHECK_EQ(got.error().code, connection_errc::unreachable);
    CHECK(got.error().text.starts_with("address: "));
  }
  CHECK_FALSE(parse_address("host", 0));
}

TEST_CASE("numeric addresses need no resolver, names do") {
  CHECK_EQ(numeric_endpoints({"127.0.0.1", 22}).size(), 1u);
  CHECK_EQ(numeric_endpoints({"::1", 22}).size(), 1u);
  CHECK(numeric_endpoints({"localhost", 22}).empty());
  CHECK(numeric_endpoints({"1.2.3.4.5", 22}).empty());
}
