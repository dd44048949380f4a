#pragma once

#include "actors/group/group_time.hpp"

#include <cstdint>
#include <optional>

namespace muster {

/// How fast a group may grow (`[runners.autoscaler.scale_throttle]`).
struct growth_rate {
  int64_t per_second = 100; ///< 0: any number [instances/s]
  int64_t burst = 100;      ///< at once, after a rest; at least 1 [instances]

  bool operator==(const growth_rate&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, growth_rate& x) {
    return f(x.per_second, x.burst);
  }
};

/// Bounds the growth of a group: by a rate, and by a pause after instances that
/// did not become ready, so that a broken image is not started again and again.
/// A value; the time comes in.
///
/// The pause is 5 s after the first failure and doubles with each further one,
/// up to 5 minutes; failures within a pause belong to what was asked for before
/// it, and count once. An instance that becomes ready ends it.
///
/// Source: reference/autoscaling, section 12; the constants are ours, those of
/// GitLab Runner are not known.
class growth_throttle {
public:
  explicit growth_throttle(growth_rate rate = {});

  /// Another rate from now on; a pause goes on.
  void set_rate(growth_rate rate) {
    rate_ = rate;
  }

  /// How many of `wanted` may be asked for now.
  int allowed(int wanted, group_time now) const;

  /// They were asked for.
  void asked(int count, group_time now);

  /// An instance did not become ready.
  void instance_failed(group_time now);

  void instance_ready();

  /// Whether the last instance that came up or failed has failed.
  bool is_failing() const {
    return failures_ > 0;
  }

  /// Whether it is the pause that holds back.
  bool is_pausing(group_time now) const {
    return now < not_before_;
  }

  /// The earliest moment at which `allowed` may say more than it does now.
  group_time next(group_time now) const;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 growth_throttle& x) {
    return f(x.rate_, x.empty_at_, x.failures_, x.not_before_);
  }

private:
  int64_t level(group_time now) const;

  growth_rate rate_;
  std::optional<group_time> empty_at_; ///< the bucket was empty then
  int failures_ = 0;                   ///< in a row
  group_time not_before_ = group_time::min();
};

} // namespace muster
