#include "tools/bench/engine_log.hpp"

#include <doctest/doctest.h>

using namespace muster::bench;

TEST_CASE("calls are read from the log of an Engine, with their times") {
  auto calls = calls_in_log(
    "time=\"2023-11-14T22:13:20.500000000Z\" level=info msg=\"Loading\"\n"
    "time=\"2023-11-14T22:13:21.123456789Z\" level=debug msg=\"Calling POST "
    "/v1.41/containers/create?name=a\"\n"
    "not a line of a log\n"
    "time=\"2023-11-14T22:13:22Z\" level=debug msg=\"Calling GET /_ping\"");
  REQUIRE_EQ(calls.size(), 2);
  CHECK_EQ(calls[0].what, "POST /v1.41/containers/create?name=a");
  CHECK_EQ(calls[0].at_us, 1'700'000'001'123'456);
  CHECK_EQ(calls[1].what, "GET /_ping");
  CHECK_EQ(calls[1].at_us, 1'700'000'002'000'000);
}

TEST_CASE("lines without a call, or without its time in UTC, are no calls") {
  CHECK(calls_in_log("").empty());
  CHECK(calls_in_log("msg=\"Calling GET /info\"\n").empty());
  CHECK(calls_in_log("time=\"yesterday\" msg=\"Calling GET /info\"\n").empty());
  CHECK(calls_in_log("time=\"2023-11-14T22:13:20+01:00\" msg=\"Calling GET "
                     "/info\"\n")
          .empty());
}
