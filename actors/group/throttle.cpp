#include "actors/group/throttle.hpp"

#include <algorithm>

namespace muster {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds pause_first = 5s;
constexpr std::chrono::seconds pause_longest = 5min;

growth_rate sane(growth_rate x) {
  x.per_second = std::clamp<int64_t>(x.per_second, 0, 1'000'000);
  x.burst = std::clamp<int64_t>(x.burst, 1, 1'000'000);
  return x;
}

/// Until the bucket has one more.
std::chrono::nanoseconds interval_of(const growth_rate& x) {
  return std::chrono::nanoseconds{std::chrono::nanoseconds{1s}.count()
                                  / x.per_second};
}

} // namespace

growth_throttle::growth_throttle(growth_rate rate) : rate_(sane(rate)) {
}

int64_t growth_throttle::level(group_time now) const {
  if (!empty_at_)
    return rate_.burst;
  return std::clamp<int64_t>((now - *empty_at_) / interval_of(rate_), 0,
                             rate_.burst);
}

int growth_throttle::allowed(int wanted, group_time now) const {
  if (now < not_before_ || wanted <= 0)
    return 0;
  if (rate_.per_second == 0)
    return wanted;
  return static_cast<int>(std::min<int64_t>(wanted, level(now)));
}

void growth_throttle::asked(int count, group_time now) {
  if (rate_.per_second == 0)
    return;
  auto interval = interval_of(rate_);
  if (!empty_at_ || level(now) == rate_.burst) // what overflowed is lost
    empty_at_ = now - rate_.burst * interval;
  *empty_at_ += count * interval;
}

void growth_throttle::instance_failed(group_time now) {
  constexpr int doublings_max = 10;
  if (now < not_before_)
    return;
  auto pause = std::min(pause_first * (1 << std::min(failures_, doublings_max)),
                        pause_longest);
  ++failures_;
  not_before_ = now + pause;
}

void growth_throttle::instance_ready() {
  failures_ = 0;
  not_before_ = group_time::min();
}

group_time growth_throttle::next(group_time now) const {
  if (now < not_before_)
    return not_before_;
  if (rate_.per_second == 0 || !empty_at_ || level(now) == rate_.burst)
    return never;
  return *empty_at_ + (level(now) + 1) * interval_of(rate_);
}

} // namespace muster
