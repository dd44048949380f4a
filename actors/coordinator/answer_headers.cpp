#include "actors/coordinator/api_client.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace muster {

namespace {

/// Reads a non-negative number that is all of the text.
std::optional<int64_t> parse_number(std::string_view x) {
  while (!x.empty() && x.front() == ' ')
    x.remove_prefix(1);
  while (!x.empty() && x.back() == ' ')
    x.remove_suffix(1);
  int64_t value = 0;
  auto [end, error] = std::from_chars(x.data(), x.data() + x.size(), value);
  if (error != std::errc{} || end != x.data() + x.size() || value < 0)
    return {};
  return value;
}

/// Reads `Mon, 02 Jan 2006 15:04:05 GMT`, whatever the locale.
std::optional<int64_t> parse_date(std::string_view x) {
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  std::string text{x};
  std::tm when{};
  std::array<char, 4> month{};
  if (std::sscanf(text.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d", &when.tm_mday,
                  month.data(), &when.tm_year, &when.tm_hour, &when.tm_min,
                  &when.tm_sec)
      != 6)
    return {};
  auto at = months.find(month.data());
  if (at == months.npos || at % 3 != 0)
    return {};
  when.tm_mon = static_cast<int>(at / 3);
  when.tm_year -= 1900;
  return ::timegm(&when);
}

} // namespace

int64_t parse_range_end(std::string_view range) {
  auto dash = range.find('-');
  if (dash == range.npos)
    return 0;
  return parse_number(range.substr(dash + 1)).value_or(0);
}

std::chrono::milliseconds parse_seconds(std::string_view x) {
  constexpr int64_t a_day = 86'400;
  return std::chrono::seconds{std::min(parse_number(x).value_or(0), a_day)};
}

std::chrono::milliseconds parse_retry_after(std::string_view reset_time,
                                            std::string_view retry_after,
                                            int64_t now) {
  if (auto at = parse_date(reset_time); at && *at > now)
    return parse_seconds(std::to_string(*at - now));
  return parse_seconds(retry_after);
}

} // namespace muster
