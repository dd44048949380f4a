#include "actors/runner/rotation.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("a token is rotated when three quarters of its time are over") {
  struct row {
    const char* what;
    token_facts token;
    int64_t now;
    token_step step;
    std::chrono::seconds in;
  };
  const row rows[] = {
    {"it never expires", {.obtained_at = 100}, 5000, token_step::none, 0s},
    {"in time",
     {.obtained_at = 1000, .expires_at = 1400},
     1100,
     token_step::rotate,
     200s},
    {"due",
     {.obtained_at = 1000, .expires_at = 1400},
     1300,
     token_step::rotate,
     0s},
    {"overdue",
     {.obtained_at = 1000, .expires_at = 1400},
     9000,
     token_step::rotate,
     0s},
    {"it had expired when it was seen first",
     {.obtained_at = 2000, .expires_at = 1400},
     2000,
     token_step::rotate,
     0s},
    {"from the environment",
     {.obtained_at = 1000, .expires_at = 1400, .is_literal = false},
     1100,
     token_step::warn,
     200s},
    {"switched off",
     {.obtained_at = 1000, .expires_at = 1400, .may_rotate = false},
     1300,
     token_step::warn,
     0s},
    {"not saved yet",
     {.obtained_at = 1000, .is_saved = false},
     1000,
     token_step::save,
     0s},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto plan = plan_token(r.token, r.now);
    CHECK_EQ(plan.what, r.step);
    CHECK_EQ(plan.in, r.in);
  }
}

TEST_CASE("a step that fails is tried again, ever more rarely") {
  CHECK_EQ(token_pause(token_step::rotate, 0), 0s);
  CHECK_EQ(token_pause(token_step::rotate, 1), 60s);
  CHECK_EQ(token_pause(token_step::save, 3), 240s);
  CHECK_EQ(token_pause(token_step::rotate, 99), 3600s);
  CHECK_EQ(token_pause(token_step::warn, 0), 24h);
}
