#include "actors/journal/state_lock.hpp"

#include "tests/unit/journal/folder.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <optional>
#include <sys/stat.h>

using namespace muster;
using namespace muster::test;

TEST_CASE("a second manager is refused, naming the first and the folder") {
  folder at;
  auto first = state_lock::take(at.path);
  REQUIRE(first);
  auto second = state_lock::take(at.path);
  REQUIRE_FALSE(second);
  CHECK_EQ(second.error().code, journal_errc::not_writable);
  CHECK_NE(second.error().text.find(std::to_string(::getpid())),
           std::string::npos);
  CHECK_NE(second.error().text.find(at.path), std::string::npos);
}

TEST_CASE("a lock that was given back can be taken again") {
  folder at;
  std::optional<state_lock> kept;
  {
    auto first = state_lock::take(at.path);
    REQUIRE(first);
    kept = std::move(*first); // moved, not given back
  }
  CHECK_FALSE(state_lock::take(at.path));
  kept.reset();
  CHECK(state_lock::take(at.path));
}

TEST_CASE("folders do not lock each other") {
  folder one, two;
  auto first = state_lock::take(one.path);
  CHECK(first);
  CHECK(state_lock::take(two.path));
}

TEST_CASE("a lock ends with a process that was killed") {
  folder at;
  CHECK_EQ(in_child([&at] {
             auto lock = state_lock::take(at.path);
             if (lock)
               ::raise(SIGKILL);
             return 1;
           }),
           128 + SIGKILL);
  std::ifstream left{at.path + "/lock"};
  CHECK(left.good()); // the file stays, the lock does not
  CHECK(state_lock::take(at.path));
}

TEST_CASE("what a killed manager wrote longer than us is not taken for ours") {
  folder at;
  std::ofstream{at.path + "/lock"} << "99999999999999999999 and more\n";
  auto first = state_lock::take(at.path);
  REQUIRE(first);
  auto second = state_lock::take(at.path);
  REQUIRE_FALSE(second);
  CHECK_EQ(second.error().text.find("9999999"), std::string::npos);
}

TEST_CASE("the lock is made with its folder, closed to others") {
  folder parent;
  auto path = parent.path + "/state";
  REQUIRE(state_lock::take(path));
  struct stat found = {};
  REQUIRE_EQ(::stat(path.c_str(), &found), 0);
  CHECK_EQ(found.st_mode & 0777, 0700);
  auto refused = state_lock::take("/proc/no/such");
  REQUIRE_FALSE(refused);
  CHECK_EQ(refused.error().code, journal_errc::not_writable);
}
