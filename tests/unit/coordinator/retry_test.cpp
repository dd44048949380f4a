#include "actors/coordinator/retry.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

struct answer {
  int status = 0;
  milliseconds retry_after{0};
};

double half() {
  return 0.5;
}

} // namespace

TEST_CASE("a call is made again for the statuses that ask for it") {
  for (auto status : {408, 429, 500, 502, 503, 504, 512, 520, 599})
    CHECK_MESSAGE(is_retriable(status), status);
  for (auto status : {0, 200, 201, 204, 400, 401, 403, 404, 409, 412, 416, 501,
                      505, 507, 511})
    CHECK_FALSE_MESSAGE(is_retriable(status), status);
}

TEST_CASE("the pauses double, and are no longer than a minute") {
  CHECK_EQ(retry_wait(1, 0ms, 0), 100ms);
  CHECK_EQ(retry_wait(1, 0ms, 1), 200ms);
  CHECK_EQ(retry_wait(2, 0ms, 1), 400ms);
  CHECK_EQ(retry_wait(4, 0ms, 1), 1600ms);
  CHECK_EQ(retry_wait(4, 0ms, 0.5), 850ms);
  CHECK_EQ(retry_wait(50, 0ms, 1), 60s);
  CHECK_EQ(retry_wait(50, 0ms, 7), 60s);
  CHECK_EQ(retry_wait(1, 17s, 1), 17s);
  CHECK_EQ(retry_wait(1, 999h, 1), 1h);
}

TEST_CASE("a call is made at most five times") {
  std::vector<milliseconds> waits;
  auto calls = 0;
  auto wait = [&](milliseconds x, const answer&) {
    waits.push_back(x);
    return true;
  };
  auto last = with_retries(
    [&] {
      return answer{503, ++calls == 2 ? 9s : 0s};
    },
    wait, half);
  CHECK_EQ(last.status, 503);
  CHECK_EQ(calls, 5);
  CHECK_EQ(waits, std::vector<milliseconds>{150ms, 9s, 450ms, 850ms});

  calls = 0;
  last = with_retries(
    [&] {
      return answer{++calls < 3 ? 500 : 201, 0ms};
    },
    wait, half);
  CHECK_EQ(last.status, 201);
  CHECK_EQ(calls, 3);

  SUBCASE("and not again when nobody waits any more") {
    calls = 0;
    last = with_retries(
      [&] {
        return answer{429, ++calls * 1ms};
      },
      [](milliseconds, const answer&) { return false; }, half);
    CHECK_EQ(calls, 1);
    CHECK_EQ(last.status, 429);
  }
}
