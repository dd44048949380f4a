#pragma once

#include <chrono>
#include <cstdint>

namespace muster {

/// What is known of a runner's token. Times are Unix times. [s]
struct token_facts {
  int64_t obtained_at = 0; ///< when this process saw it first, if not known
  int64_t expires_at = 0;  ///< 0: never
  bool is_literal = true;  ///< config.toml has it, not the environment
  bool is_saved = true;    ///< config.toml has this one already
  bool may_rotate = true;  ///< not FF_DISABLE_AUTOMATIC_TOKEN_ROTATION
};

enum class token_step : uint8_t {
  none,
  rotate, ///< ask GitLab for another one
  save,   ///< write it into config.toml
  warn,   ///< it will expire, and must be changed by hand
};

struct token_plan {
  token_step what = token_step::none;
  std::chrono::seconds in{0}; ///< until it is due
};

/// Returns what to do about a token next. It is rotated when three quarters of
/// its time are over, which leaves time for what may fail.
///
/// Source: reference/job-api, section 9, token rotation.
token_plan plan_token(const token_facts& x, int64_t now);

/// How long to wait after a step that failed so many times in a row: a minute,
/// doubling up to an hour; after a warning, a day.
std::chrono::seconds token_pause(token_step what, int failures);

} // namespace muster
