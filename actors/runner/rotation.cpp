#include "actors/runner/rotation.hpp"

#include <algorithm>

namespace muster {

namespace {

using std::chrono::seconds;

constexpr seconds retry_min{60};
constexpr seconds retry_max{3600};
constexpr seconds warning_pause{86'400};

} // namespace

token_plan plan_token(const token_facts& x, int64_t now) {
  if (!x.is_saved)
    return {token_step::save, seconds{0}};
  if (x.expires_at == 0)
    return {};
  auto span = std::max<int64_t>(x.expires_at - x.obtained_at, 0);
  auto due = x.obtained_at + span / 4 * 3;
  auto what
    = x.is_literal && x.may_rotate ? token_step::rotate : token_step::warn;
  return {what, std::max(seconds{due - now}, seconds{0})};
}

seconds token_pause(token_step what, int failures) {
  if (what == token_step::warn)
    return warning_pause;
  if (failures == 0)
    return seconds{0};
  constexpr int doublings_max = 10;
  return std::min(retry_min * (1 << std::min(failures - 1, doublings_max)),
                  retry_max);
}

} // namespace muster
