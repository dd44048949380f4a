#pragma once

#include "actors/group/schedule.hpp"
#include "config/config.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace muster {

// What a schedule says for one week, to be looked at by people. Days count from
// 0, Monday; times of a day are what the clock on the wall shows.

/// A stretch of one day in which one policy is in force.
struct week_run {
  int day = 0;
  int from = 0;                   ///< [minutes after midnight]
  int to = 0;                     ///< the first that is past it; at most 1440
  std::chrono::minutes length{0}; ///< differs where clocks are changed
  policy what;

  bool operator==(const week_run&) const = default;
};

/// All runs of a week, in order.
struct policy_week {
  std::chrono::year_month_day monday;
  std::string zone; ///< its name
  std::vector<week_run> runs;
};

/// Returns the week from a Monday to the next one by the clocks of `zone`.
/// Minutes that daylight saving skips are not there, those that it repeats are
/// there twice, so that a week has 167 to 169 hours.
///
/// @pre `monday` is a Monday
/// Errors: `not_valid` for an unknown zone.
result<policy_week, config_errc> week_of(const schedule& policies,
                                         std::chrono::year_month_day monday,
                                         const std::string& zone);

/// Returns the Monday of the week that a moment is in by the clocks of `zone`.
///
/// Errors: `not_valid` for an unknown zone.
result<std::chrono::year_month_day, config_errc>
monday_of(std::chrono::sys_seconds when, const std::string& zone);

/// How much of an hour a policy is in force.
struct hour_share {
  policy what;
  int minutes = 60; ///< of each hour

  bool operator==(const hour_share&) const = default;
};

/// Adjacent days and hours that are alike.
struct week_block {
  int first_day = 0;
  int last_day = 0;
  int from = 0; ///< [minutes after midnight]
  int to = 0;
  /// One with 60 minutes, or several that alternate within each hour.
  std::vector<hour_share> shares;

  bool operator==(const week_block&) const = default;
};

/// Sums up a week in a table that can be read: days in a row that are alike are
/// one, and a day whose policies change more than `changes_max` times is told
/// by the hour.
std::vector<week_block> blocks_of(const policy_week& week);
inline constexpr size_t changes_max = 12;

/// `mon-fri 08:00-17:30`, `sun 00:00-24:00`.
std::string when(const week_block& x);

/// When no policy is in force, only the built-in one: `mon-fri 18:00-24:00`.
std::vector<std::string> gaps_of(const std::vector<week_block>& week);

/// Whether a period names days of the month, or months: weeks differ.
bool differs_by_date(const std::vector<policy_config>& policies);

/// Returns the zone that the policies' periods are in; the process's own if
/// they are in several, or in none.
std::string zone_of(const std::vector<policy_config>& policies);

} // namespace muster
