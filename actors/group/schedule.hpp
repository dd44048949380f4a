#pragma once

#include "config/config.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace muster {

/// A policy in force: one `[[runners.autoscaler.policy]]` as a whole, or the
/// built-in one.
struct policy {
  int index = -1;     ///< in the configuration, from 0; -1: the built-in one
  int idle_count = 0; ///< kept free [slots]
  std::chrono::milliseconds idle_time{300'000};
  double scale_factor = 0;
  int scale_factor_limit = 0; ///< 0: none [slots]
  bool preemptive = false;    ///< jobs are asked for only with a slot idle

  bool operator==(const policy&) const = default;
};

/// Which policy is in force when. The last one with a period that contains the
/// minute wins as a whole; without any the built-in one is in force (nothing
/// kept idle, 5 minutes of idle time).
///
/// A period matches by the wall clock of its time zone: a minute that daylight
/// saving skips never matches, one that it repeats matches twice.
///
/// The time zone database is loaded only for policies that need it: those whose
/// periods leave a minute out.
///
/// Source: reference/autoscaling, section 15.
class schedule {
public:
  using time = std::chrono::sys_seconds;

  /// So far ahead a change is looked for: a later one is found by asking again.
  static constexpr std::chrono::hours horizon{24};

  /// The built-in policy alone.
  schedule();

  /// Reads the periods and finds the time zones. `local_zone` is what an empty
  /// time zone means; empty: `local_zone_name`, asked for only when needed.
  ///
  /// Errors: `not_valid`, with GitLab's text, for a period that does not parse
  /// and for an unknown time zone.
  static result<schedule, config_errc>
  make(const std::vector<policy_config>& policies,
       const std::string& local_zone = {});

  /// The policy in force at `when`.
  const policy& at(time when) const;

  /// The next moment after `when` at which another policy is in force, on the
  /// minute; if none is found within `horizon`, a moment from which on it is to
  /// be asked again. A schedule that never changes returns `time::max()`.
  time next_change(time when) const;

private:
  struct entry;

  const entry* entry_at(time when) const;
  time find_change(time when, const entry* now) const;

  /// What was found last, and holds from one moment to another: each decision
  /// asks, and a day has many minutes.
  struct stretch {
    time from = time::max();
    time until = time::min();
    const entry* found = nullptr;
  };

  std::vector<std::shared_ptr<const entry>> entries_; ///< in the file's order
  policy built_in_;
  mutable stretch last_;
};

} // namespace muster
