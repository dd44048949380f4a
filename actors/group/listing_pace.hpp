#pragma once

#include "actors/group/group_time.hpp"

#include <chrono>

namespace muster {

/// What listings are waited for.
struct listing_hopes {
  bool change = false;   ///< a request, a removal, or a state that passes
  bool instance = false; ///< one of them is an instance that is to come
};

/// How long a group waits before it lists its instances again.
struct listing_intervals {
  std::chrono::milliseconds resting{0};   ///< `update_interval`
  std::chrono::milliseconds expecting{0}; ///< `update_interval_when_expecting`
};

/// Returns the pause before the next listing when something was `waited` for so
/// long: since it was asked for, or since the last change.
///
/// A job may be waiting for an instance that is to come: the pause is a tenth
/// of the time waited, so that the instance is found at most a tenth later than
/// it was there, after a boot of one second or of twenty. For a removal nobody
/// waits: the pause doubles. It begins with 50 ms and ends with the interval
/// that is configured. From a change on that costs an instance some forty
/// listings more in its first twenty seconds, and a removal five.
std::chrono::milliseconds listing_pause(const listing_hopes& hopes,
                                        std::chrono::milliseconds waited,
                                        const listing_intervals& configured);

/// Bounds how often a group lists while something changes all the time, as
/// clouds do not bear any number of calls: a hundred in quick succession, and
/// after these two a second; in the long run six hundred more than one each
/// `update_interval_when_expecting`. A value; the time comes in.
class listing_budget {
public:
  /// A listing is made, where they come `expecting` apart in the long run.
  void spend(group_time now, std::chrono::milliseconds expecting);

  /// How long to wait before the next one; not negative.
  std::chrono::milliseconds pause(group_time now) const;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 listing_budget& x) {
    return f(x.next_, x.next_for_long_);
  }

private:
  // From then on one more may be made.
  group_time next_ = group_time::min();
  group_time next_for_long_ = group_time::min();
};

} // namespace muster
