#include "actors/group/listing_pace.hpp"

#include <algorithm>

namespace muster {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest{50};
constexpr int share_of_waiting = 10;

/// Of listings, when they are many.
constexpr milliseconds apart{500};
constexpr int burst = 100;

/// And in the long run, beyond those that the configured interval allows.
constexpr int burst_for_long = 600;

} // namespace

milliseconds listing_pause(const listing_hopes& hopes, milliseconds waited,
                           const listing_intervals& configured) {
  if (!hopes.change)
    return configured.resting;
  auto pause = hopes.instance ? waited / share_of_waiting : waited;
  return std::min(std::max(pause, shortest), configured.expecting);
}

void listing_budget::spend(group_time now, milliseconds expecting) {
  expecting = std::min<milliseconds>(expecting, std::chrono::hours{1});
  next_ = std::max(next_, now - burst * apart) + apart;
  next_for_long_
    = std::max(next_for_long_, now - burst_for_long * expecting) + expecting;
}

milliseconds listing_budget::pause(group_time now) const {
  auto next = std::max(next_, next_for_long_);
  if (next <= now)
    return milliseconds{0};
  return std::chrono::ceil<milliseconds>(next - now);
}

} // namespace muster
