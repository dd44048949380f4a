#include "actors/group/listing_pace.hpp"

#include <algorithm>

namespace muster {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest{50};
constexpr int share_of_waiting = 10;

} // namespace

milliseconds listing_pause(const listing_hopes& hopes, milliseconds waited,
                           const listing_intervals& configured) {
  if (!hopes.change)
    return configured.resting;
  auto pause = hopes.instance ? waited / share_of_waiting : waited;
  return std::min(std::max(pause, shortest), configured.expecting);
}

} // namespace muster
