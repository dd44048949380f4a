// Variables of any size, through the whole path.

#include "tests/e2e/manager/world.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// One manager for all tests of this file.
world& house() {
  static world one;
  return one;
}

} // namespace

TEST_CASE("a variable that no program can be given is told, and the job runs") {
  auto& x = house();
  auto id = x.enqueue(
    {{"script",
      {"echo \"LENGTH=${#BIG}\"", "echo \"SEEN=$(env | grep -c ^BIG= || :)\"",
       "echo \"OTHER=$(env | grep -c ^SMALL= || :)\"", "cat words.txt"}},
     {"variables", {{"BIG", std::string(200'000, 'y')}, {"SMALL", "s"}}}});
  CHECK_EQ(x.ended(id).state, job_state::success);
  auto log = x.log(id);
  CHECK(contains(log, "WARNING: BIG: its 200000 bytes are too many for the "
                      "environment of a program"));
  CHECK_FALSE(contains(log, "Argument list too long"));
  CHECK_EQ(x.printed(id, "LENGTH"), "200000");
  CHECK_EQ(x.printed(id, "SEEN"), "0");
  CHECK_EQ(x.printed(id, "OTHER"), "1");
  x.check_rules();
}

TEST_CASE("many variables that are too much together are told, and the job "
          "runs") {
  auto& x = house();
  nlohmann::json variables{{"GIT_STRATEGY", "empty"}};
  for (int i = 10; i < 40; ++i)
    variables["MANY_" + std::to_string(i)] = std::string(100'000, 'y');
  auto id = x.enqueue({{"script", "echo \"SEEN=$(env | grep -c ^MANY_ || :)\""},
                       {"variables", variables}});
  CHECK_EQ(x.ended(id).state, job_state::success);
  CAPTURE(x.log(id).substr(0, 2000));
  CHECK_EQ(x.printed(id, "SEEN"), "19");
  CHECK_EQ(count_of("are too many for the environment of a program", x.log(id)),
           11);
  x.check_rules();
}

TEST_CASE("a job that is too large for an instance fails in words, one of some "
          "MiB runs") {
  auto& x = house();
  auto job = [&x](const std::string& value) {
    return x.enqueue(
      {{"script", "echo \"LENGTH=${#BIG}\""},
       {"variables", {{"BIG", value}, {"GIT_STRATEGY", "none"}}}});
  };
  auto fits = job(std::string(5'000'000, 'y'));
  CHECK_EQ(x.ended(fits).state, job_state::success);
  CHECK_EQ(x.printed(fits, "LENGTH"), "5000000");
  // In a script within a script a quote takes many bytes.
  auto large = job(std::string(5'000'000, '\''));
  auto ended = x.ended(large);
  CAPTURE(x.log(large).substr(0, 2000));
  CHECK_EQ(ended.failure_reason, "runner_system_failure");
  CHECK(contains(x.log(large), "ERROR: Job failed (system failure): the job's "
                               "scripts have "));
  CHECK(contains(x.log(large), "The largest variable is BIG with 5000000 "));
  CHECK(x.serves_a_job());
  x.check_rules();
}
