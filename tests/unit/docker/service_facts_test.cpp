#include "executors/docker/service_facts.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace muster::docker;

TEST_CASE("the ports of a service are what its image exposes over TCP") {
  struct row {
    const char* what;
    const char* exposed; ///< a JSON value
    std::vector<int> expected;
  };
  const row rows[] = {
    {"none", "null", {}},
    {"nothing", "{}", {}},
    {"several, by number", R"({"9000/tcp":{},"80/tcp":{}})", {80, 9000}},
    {"TCP is meant without a protocol", R"({"6379":{}})", {6379}},
    {"other protocols", R"({"53/udp":{},"9/sctp":{}})", {}},
    {"a range", R"({"8000-8002/tcp":{}})", {8000, 8001, 8002}},
    {"ranges that overlap", R"({"1-3":{},"2-4/tcp":{}})", {1, 2, 3, 4}},
    {"a range from its end", R"({"9-7/tcp":{}})", {}},
    {"no number", R"({"http/tcp":{},"/tcp":{},"-":{}})", {}},
    {"no port", R"({"0/tcp":{},"70000/tcp":{},"-5/tcp":{}})", {}},
    {"no object", R"(["80/tcp"])", {}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    json container{{"Config", {{"ExposedPorts", json::parse(r.exposed)}}}};
    CHECK(ports_of(container) == r.expected);
  }
}

TEST_CASE("many ports are too many to be tried: the lowest are") {
  json container{{"Config", {{"ExposedPorts", {{"1-65535/tcp", json{}}}}}}};
  auto ports = ports_of(container);
  REQUIRE_EQ(ports.size(), 20);
  CHECK_EQ(ports.front(), 1);
  CHECK_EQ(ports.back(), 20);
}

TEST_CASE("a variable chooses the one port of a service") {
  struct row {
    const char* variable;
    std::vector<int> expected;
  };
  const row rows[] = {
    {"HEALTHCHECK_TCP_PORT=90", {90}},    {"HEALTHCHECK_TCP_PORT=", {80}},
    {"HEALTHCHECK_TCP_PORT=none", {80}},  {"HEALTHCHECK_TCP_PORT=70000", {80}},
    {"MY_HEALTHCHECK_TCP_PORT=90", {80}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.variable);
    json container{{"Config",
                    {{"Env", {"A=b", r.variable}},
                     {"ExposedPorts", {{"80/tcp", json::object()}}}}}};
    CHECK(ports_of(container) == r.expected);
  }
}

TEST_CASE("a service has an address in each of its networks") {
  json container{
    {"NetworkSettings",
     {{"Networks",
       {{"a", {{"IPAddress", "172.17.0.2"}, {"GlobalIPv6Address", "fd00::2"}}},
        {"b", {{"IPAddress", ""}, {"GlobalIPv6Address", 7}}},
        {"c", nullptr}}}}}};
  CHECK(addresses_of(container)
        == std::vector<std::string>{"172.17.0.2", "fd00::2"});
  for (const auto* odd : {"null", "[]", R"({"NetworkSettings":[]})",
                          R"({"NetworkSettings":{"Networks":"none"}})"}) {
    CAPTURE(odd);
    CHECK(addresses_of(json::parse(odd)).empty());
    CHECK(ports_of(json::parse(odd)).empty());
  }
}
