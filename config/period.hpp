#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <bitset>
#include <string>
#include <string_view>

namespace muster {

/// A time window of a policy: the minutes in which it is in force, as five
/// fields that must all match. Bit n stands for the value n.
struct period {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;    ///< of the month; bit 0 is never set
  std::bitset<13> months;  ///< bit 0 is never set
  std::bitset<8> weekdays; ///< 0 and 7 are both Sunday
  bool wraps = false;      ///< a range of it descends: see `wrap_notice`

  bool operator==(const period&) const = default;
};

/// Reads `minute hour day month weekday`; each a comma list of `*`, `a` or
/// `a-b`, each with an optional `/step`; months and weekdays also by three
/// letters.
///
/// A step takes the values that it divides (`1-10/3` is 3, 6, 9): it does not
/// count from the start of the range. A descending range wraps around
/// (`22-6` is 22 to 6 o'clock); GitLab Runner lets it match everything.
///
/// Errors: `not_valid`, with GitLab Runner's text. Source:
/// reference/autoscaling, section 15.
result<period, config_errc> parse_period(std::string_view text);

/// Whether a wall clock time lies in the period. Day and month count from 1;
/// weekday is 0 (Sunday) to 6, 7 is Sunday too. Out of range never matches.
bool matches(const period& what, int minute, int hour, int day, int month,
             int weekday);

/// Whether there is no time at all that matches, as with `5/10`.
bool never_matches(const period& what);

/// What to tell the user of a period that `wraps`.
std::string wrap_notice(std::string_view text);

} // namespace muster
