#include "providers/local/processes.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace muster::local;

TEST_CASE("a stat line is read past whatever a program is called") {
  const char* names[] = {"sshd", "a b", ") R 1 (", ")))", "(", ""};
  for (const auto* name : names) {
    CAPTURE(name);
    auto text = std::string{"42 ("} + name
                + ") T 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654321 "
                  "2703360 1 18446744073709551615 0 0\n";
    auto stat = parse_stat(text);
    REQUIRE(stat.has_value());
    CHECK_EQ(stat->state, 'T');
    CHECK_EQ(stat->parent, 7);
    CHECK_EQ(stat->start_ticks, 987'654'321);
  }
}

TEST_CASE("a process that exits is told from one that runs") {
  auto text = [](const char* flags) {
    return std::string{"42 (sshd) S 7 42 42 0 -1 "} + flags
           + " 1 2 3 4 5 6 7 8 20 0 1 0 9 2703360 1 2 0 0\n";
  };
  CHECK_FALSE(parse_stat(text("4194560"))->exiting);
  CHECK(parse_stat(text("4194564"))->exiting);
  CHECK(is_running(*identify(getpid())));
  CHECK_FALSE(is_running({}));
}

TEST_CASE("a text that is no stat line is not taken for one") {
  for (const auto* text :
       {"", "42", "42 (sh", "42 (sh) S 1 2 3", "42 (sh) S x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_stat(text).has_value());
  }
}

TEST_CASE("a process is alive only under its own start time and boot") {
  auto self = identify(getpid());
  REQUIRE(self.has_value());
  CHECK(is_alive(*self));
  auto earlier = *self;
  --earlier.start_ticks;
  CHECK_FALSE(is_alive(earlier));
  auto before_reboot = *self;
  before_reboot.boot_id = "another";
  CHECK_FALSE(is_alive(before_reboot));
  CHECK_FALSE(is_alive({}));
}

TEST_CASE("a process that has another's number is not ended") {
  auto self = identify(getpid());
  REQUIRE(self.has_value());
  auto earlier = *self;
  --earlier.start_ticks;
  kill_process(earlier); // or this test would not go on
  CHECK(wait_end(earlier, std::chrono::steady_clock::now()));
}
