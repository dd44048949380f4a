#include "actors/runner/pace.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace muster;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

const time_point start{1000h};

/// An answer that comes at once.
struct answer {
  poll_outcome how;
  milliseconds retry_after{0};
};

/// How long is waited after the last of some answers.
milliseconds pause_after(const std::vector<answer>& answers,
                         const pace_options& with = {}) {
  pace it{with, start};
  auto now = start;
  for (const auto& x : answers) {
    now = std::max(now, it.next());
    it.begun(now);
    it.answered(x.how, now, x.retry_after, now);
  }
  return std::chrono::duration_cast<milliseconds>(it.next() - now);
}

} // namespace

TEST_CASE("how long is waited after an answer") {
  using enum poll_outcome;
  struct row {
    const char* what;
    std::vector<answer> answers;
    milliseconds expected;
  };
  const row rows[] = {
    {"a job", {{job}}, 0ms},
    {"none, right after a job", {{job}, {none}}, 100ms},
    {"refused", {{forbidden}}, 3s},
    {"a failure", {{server_error}}, 3s},
    {"two failures", {{server_error}, {failed}}, 6s},
    {"ten failures", std::vector<answer>(10, {server_error}), 30s},
    {"a failure, then a job", {{server_error}, {job}}, 0ms},
    {"a failure, a job, a failure", {{failed}, {job}, {failed}}, 3s},
    {"a time is named", {{server_error, 1s}}, 1s},
    {"a long time is named", {{server_error, 5min}}, 5min},
    {"days are named", {{server_error, 72h}}, 1h},
    {"a time is named again and again",
     {{server_error, 1s}, {server_error, 1s}, {server_error, 1s}},
     6s},
    {"a time is named by a server that works", {{none, 2s}}, 2s},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(pause_after(r.answers).count(), r.expected.count());
  }
}

TEST_CASE("a strict interval is kept, whatever is answered") {
  pace_options with;
  with.strict = true;
  for (auto how : {poll_outcome::job, poll_outcome::none})
    CHECK_EQ(pause_after({{how}, {how}}, with).count(), 3'000);
}

TEST_CASE("without jobs GitLab is asked ever more rarely") {
  pace it{{}, start};
  auto now = start;
  auto polls = 0;
  milliseconds longest{0};
  for (; now < start + 2min; ++polls) {
    it.begun(now);
    it.answered(poll_outcome::none, now, 0ms, now);
    longest = std::max(
      longest, std::chrono::duration_cast<milliseconds>(it.next() - now));
    now = it.next();
  }
  CHECK_EQ(longest, 3s);
  CHECK_LE(polls, 80);
  it.job_ended(now - 1ms);
  CHECK_LE(it.next(), now);
}

TEST_CASE("a runner that was refused too often is disabled for a while") {
  pace it{{}, start};
  auto now = start;
  for (auto i = 0; i < 3; ++i) {
    CHECK_FALSE(it.is_unhealthy(now));
    it.answered(poll_outcome::forbidden, now, 0ms, now);
    now += 1s;
  }
  CHECK(it.is_unhealthy(now));
  CHECK_FALSE(it.is_unhealthy(now + 2h));
  it.answered(poll_outcome::none, now, 0ms, now);
  CHECK_FALSE(it.is_unhealthy(now));
}
