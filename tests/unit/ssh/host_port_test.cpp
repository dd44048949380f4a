#include "messages/host_port.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("a host and its port are told apart") {
  struct row {
    const char* text;
    const char* host;
    std::optional<uint16_t> port;
  };
  const row rows[] = {
    {"10.0.0.1", "10.0.0.1", {}}, {"build:2222", "build", 2222},
    {"::1", "::1", {}},           {"fe80::1%eth0", "fe80::1%eth0", {}},
    {"[::1]", "::1", {}},         {"[::1]:65535", "::1", 65535},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto read = read_host_port(r.text);
    REQUIRE(read);
    CHECK_EQ(read->host, r.host);
    CHECK_EQ(read->port, r.port);
  }
}

TEST_CASE("what is wrong with an address is told apart") {
  struct row {
    const char* text;
    address_fault fault;
  };
  const row rows[] = {
    {"[::1", address_fault::form},     {"[", address_fault::form},
    {"[::1]x", address_fault::form},   {"[::1]22", address_fault::form},
    {"host:", address_fault::port},    {"host:0", address_fault::port},
    {"[::1]:", address_fault::port},   {"host:65536", address_fault::port},
    {"host:ssh", address_fault::port}, {"", address_fault::host},
    {":22", address_fault::host},      {"[]:22", address_fault::host},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto read = read_host_port(r.text);
    REQUIRE_FALSE(read);
    CHECK_EQ(read.error(), r.fault);
  }
}

TEST_CASE("IPv6 addresses get brackets, others none") {
  CHECK_EQ(bracketed("::1"), "[::1]");
  CHECK_EQ(bracketed("10.0.0.1"), "10.0.0.1");
  CHECK_EQ(bracketed("host"), "host");
}
