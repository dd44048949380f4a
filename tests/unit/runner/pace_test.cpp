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
    {"no answer", {{failed}}, 3s},
    {"an overloaded server", {{server_error}}, 100ms},
    {"twice", {{server_error}, {server_error}}, 200ms},
    {"four times", std::vector<answer>(4, {server_error}), 800ms},
    {"five times", std::vector<answer>(5, {server_error}), 3s},
    {"six times", std::vector<answer>(6, {server_error}), 6s},
    {"two failures", {{server_error}, {failed}}, 6s},
    {"ten failures", std::vector<answer>(10, {server_error}), 30s},
    {"a failure, then a job", {{server_error}, {job}}, 0ms},
    {"a failure, a job, a failure", {{failed}, {job}, {failed}}, 3s},
    {"a time is named", {{server_error, 1s}}, 1s},
    {"a long time is named", {{server_error, 5min}}, 5min},
    {"days are named", {{server_error, 72h}}, 1h},
    {"a time is named again and again",
     {{server_error, 1s}, {server_error, 1s}, {server_error, 1s}},
     1s},
    {"a time is named without end", std::vector<answer>(6, {server_error, 1s}),
     12s},
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

TEST_CASE("the pause grows with the time since the last job") {
  pace it{{}, start};
  CHECK_EQ(it.next(), start);
  it.begun(start);
  CHECK_EQ(it.next(), start + 100ms);
  it.answered(poll_outcome::none, start, 0ms, start + 20ms);
  CHECK_EQ(it.next(), start + 100ms);
  auto later = start + 10s;
  it.begun(later);
  CHECK_EQ(it.next(), later + 1s);
  it.begun(start + 10min);
  CHECK_EQ(it.next(), start + 10min + 3s);
  it.job_ended(start + 10min);
  CHECK_EQ(it.next(), start + 10min);
}

TEST_CASE(
  "a server that fails is asked ever more rarely, and found back soon") {
  pace it{{}, start};
  auto now = start;
  std::chrono::milliseconds longest{0};
  for (auto until = start + 20min; now < until;) {
    it.begun(now);
    it.answered(poll_outcome::failed, now, 0ms, now);
    longest = std::max(
      longest,
      std::chrono::duration_cast<std::chrono::milliseconds>(it.next() - now));
    CHECK_GT(it.next(), now);
    now = it.next();
  }
  CHECK_EQ(longest, 30s);
  // The end of a job is no reason to ask a server that is away.
  it.job_ended(now - 1s);
  CHECK_EQ(it.next(), now);
}

TEST_CASE("the server's wish is obeyed, up to an hour") {
  pace it{{}, start};
  it.begun(start);
  it.answered(poll_outcome::server_error, start, 90s, start);
  CHECK_EQ(it.next(), start + 90s);
  it.answered(poll_outcome::server_error, start, 24h, start);
  CHECK_EQ(it.next(), start + 1h);
}

TEST_CASE("requests at once follow the answers, within the bound") {
  pace_options with;
  with.request_concurrency = 4;
  pace it{with, start};
  CHECK_EQ(it.requests_max(), 1);
  auto answers = [&](poll_outcome how, int times) {
    for (auto i = 0; i < times; ++i)
      it.answered(how, start, 0ms, start);
  };
  answers(poll_outcome::job, 1);
  CHECK_EQ(it.requests_max(), 2);
  answers(poll_outcome::job, 100);
  CHECK_EQ(it.requests_max(), 4);
  answers(poll_outcome::server_error, 1);
  CHECK_EQ(it.requests_max(), 2);
  answers(poll_outcome::none, 100);
  CHECK_EQ(it.requests_max(), 1);
  with.adaptive = false;
  CHECK_EQ(pace(with, start).requests_max(), 4);
}

TEST_CASE("a runner that is refused pauses, and then begins anew") {
  pace it{{}, start};
  auto refused = [&](time_point now) {
    it.answered(poll_outcome::forbidden, now, 0ms, now);
  };
  refused(start);
  refused(start);
  CHECK(it.is_healthy(start));
  it.answered(poll_outcome::failed, start, 0ms, start); // proves nothing
  refused(start + 1min);
  refused(start + 1min);
  CHECK(it.is_healthy(start + 1min));
  refused(start + 1min);
  CHECK_FALSE(it.is_healthy(start + 1min));
  CHECK_FALSE(it.is_healthy(start + 60min)); // since the last good answer
  CHECK(it.is_healthy(start + 61min));
  refused(start + 61min);
  refused(start + 61min);
  CHECK(it.is_healthy(start + 61min));
  refused(start + 61min);
  CHECK_FALSE(it.is_healthy(start + 62min));
}
