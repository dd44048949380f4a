#include "config/duration.hpp"

#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <utility>

namespace muster {

namespace {

constexpr uint64_t nanoseconds_max = uint64_t{1} << 63; // of either sign

struct unit {
  std::string_view name;
  uint64_t nanoseconds;
};

constexpr std::array units{
  unit{"ns", 1},
  unit{"us", 1'000},
  unit{"\xc2\xb5s", 1'000}, // U+00B5, the micro sign
  unit{"\xce\xbcs", 1'000}, // U+03BC, the Greek letter
  unit{"ms", 1'000'000},
  unit{"s", 1'000'000'000},
  unit{"m", 60'000'000'000},
  unit{"h", 3'600'000'000'000},
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// `whole + fraction / scale` units.
struct number {
  uint64_t whole = 0;
  uint64_t fraction = 0;
  double scale = 1;
};

/// Takes a number from the front of `text`. False if there is none or it is too
/// large. Digits beyond what 64 bits hold do not change a fraction.
bool take_number(std::string_view& text, number& into) {
  size_t digits = 0;
  for (; !text.empty() && is_digit(text[0]); text.remove_prefix(1), ++digits) {
    if (into.whole > nanoseconds_max / 10)
      return false;
    into.whole = into.whole * 10 + static_cast<uint64_t>(text[0] - '0');
  }
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    for (; !text.empty() && is_digit(text[0]);
         text.remove_prefix(1), ++digits) {
      if (into.fraction > nanoseconds_max / 10 - 10)
        continue;
      into.fraction = into.fraction * 10 + static_cast<uint64_t>(text[0] - '0');
      into.scale *= 10;
    }
  }
  return digits > 0 && into.whole <= nanoseconds_max;
}

std::string_view take_unit(std::string_view& text) {
  size_t end = 0;
  while (end < text.size() && text[end] != '.' && !is_digit(text[end]))
    ++end;
  auto name = text.substr(0, end);
  text.remove_prefix(end);
  return name;
}

/// Adds a number of units; false if the sum is too large.
bool add(uint64_t& sum, const number& n, uint64_t factor) {
  if (n.whole > nanoseconds_max / factor)
    return false;
  auto value
    = n.whole * factor
      + static_cast<uint64_t>(static_cast<double>(n.fraction)
                              * (static_cast<double>(factor) / n.scale));
  if (value > nanoseconds_max)
    return false;
  sum += value;
  return sum <= nanoseconds_max;
}

tl::unexpected<failure<config_errc>> refuse(std::string_view text,
                                            std::string_view why) {
  return fail(config_errc::not_valid,
              fmt::format("invalid duration \"{}\": {}", text, why));
}

result<uint64_t, config_errc> parse_unsigned(std::string_view whole,
                                             std::string_view text) {
  uint64_t sum = 0;
  while (!text.empty()) {
    number n;
    if (text[0] != '.' && !is_digit(text[0]))
      return refuse(whole, "a number is expected, like in \"1h30m\"");
    if (!take_number(text, n))
      return refuse(whole, "a number in it is empty or too large");
    auto name = take_unit(text);
    if (name.empty())
      return refuse(whole, "a number lacks its unit (ns, us, ms, s, m, h)");
    const auto* found = units.begin();
    while (found != units.end() && found->name != name)
      ++found;
    if (found == units.end())
      return refuse(
        whole, fmt::format("unknown unit \"{}\" (ns, us, ms, s, m, h)", name));
    if (!add(sum, n, found->nanoseconds))
      return refuse(whole, "too large (at most about 292 years)");
  }
  return sum;
}

/// Writes `value / 10^places` without trailing zeros.
std::string decimal(uint64_t value, int places) {
  uint64_t power = 1;
  for (int i = 0; i < places; ++i)
    power *= 10;
  auto text = fmt::format("{}", value / power);
  if (auto rest = value % power; rest != 0) {
    auto digits = fmt::format("{:0{}}", rest, places);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += '.' + digits;
  }
  return text;
}

} // namespace

result<std::chrono::nanoseconds, config_errc>
parse_duration(std::string_view text) {
  auto rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0")
    return std::chrono::nanoseconds{0};
  if (rest.empty())
    return refuse(text, "it is empty");
  auto sum = parse_unsigned(text, rest);
  if (!sum)
    return tl::unexpected{sum.error()};
  if (!negative && *sum == nanoseconds_max)
    return refuse(text, "too large (at most about 292 years)");
  // Unsigned negation is defined also for the smallest value.
  auto bits = negative ? uint64_t{0} - *sum : *sum;
  return std::chrono::nanoseconds{static_cast<int64_t>(bits)};
}

std::string format_duration(std::chrono::nanoseconds what) {
  auto count = what.count();
  if (count == 0)
    return "0s";
  auto left = count < 0 ? uint64_t{0} - static_cast<uint64_t>(count)
                        : static_cast<uint64_t>(count);
  std::string sign = count < 0 ? "-" : "";
  if (left < 1'000)
    return sign + decimal(left, 0) + "ns";
  if (left < 1'000'000)
    return sign + decimal(left, 3) + "\xc2\xb5s";
  if (left < 1'000'000'000)
    return sign + decimal(left, 6) + "ms";
  constexpr uint64_t minute = 60'000'000'000;
  auto text = decimal(left % minute, 9) + "s";
  if (auto minutes = left / minute; minutes > 0) {
    text = fmt::format("{}m{}", minutes % 60, text);
    if (minutes >= 60)
      text = fmt::format("{}h{}", minutes / 60, text);
  }
  return sign + text;
}

} // namespace muster
