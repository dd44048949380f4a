#include "tools/muster/moment.hpp"

#include "config/duration.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fmt/format.h>
#include <optional>
#include <string_view>

namespace muster {

namespace {

constexpr int64_t us_per_s = 1'000'000;

bool is_digit(char x) {
  return x >= '0' && x <= '9';
}

/// Takes `.678` from the front, of more than six digits the first. [us]
int64_t take_fraction(std::string_view& from) {
  if (from.size() < 2 || from[0] != '.' || !is_digit(from[1]))
    return 0;
  from.remove_prefix(1);
  int64_t out = 0;
  auto unit = us_per_s / 10;
  for (; !from.empty() && is_digit(from[0]); from.remove_prefix(1)) {
    out += (from[0] - '0') * unit;
    unit /= 10;
  }
  return out;
}

std::optional<int64_t> unix_seconds(std::tm parts, bool is_utc) {
  auto day = parts.tm_mday;
  parts.tm_isdst = -1;
  auto out = static_cast<int64_t>(is_utc ? ::timegm(&parts) : ::mktime(&parts));
  if (parts.tm_mday != day) // there is no such day
    return std::nullopt;
  return out;
}

std::optional<int64_t> parse_date(std::string text, time_zone zone) {
  constexpr size_t date_size = 10; // 2026-11-28
  if (text.size() > date_size && text[date_size] == ' ')
    text[date_size] = 'T';
  for (const char* form : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), form, &parts);
    if (end == nullptr)
      continue;
    std::string_view rest = end;
    auto has_seconds = std::string_view{form}.ends_with("%S");
    auto fraction = has_seconds ? take_fraction(rest) : 0;
    if (!rest.empty() && rest != "Z")
      continue;
    if (auto s = unix_seconds(parts, zone == time_zone::utc || rest == "Z"))
      return *s * us_per_s + fraction;
  }
  return std::nullopt;
}

} // namespace

result<int64_t, config_errc> parse_moment(const std::string& text,
                                          time_zone zone) {
  using namespace std::chrono;
  if (auto date = parse_date(text, zone))
    return *date;
  auto ago = parse_duration(text);
  if (ago && ago->count() >= 0) {
    auto now = system_clock::now().time_since_epoch();
    return duration_cast<microseconds>(now).count()
           - duration_cast<microseconds>(*ago).count();
  }
  auto is_span = !text.empty() && std::ranges::none_of(text, [](char x) {
    return x == '-' || x == ':' || x == ' ';
  });
  return fail(config_errc::not_valid,
              is_span && is_digit(text[0])
                ? ago.error().text
                : fmt::format("\"{}\" is neither a time span like 90m nor a "
                              "time like 2026-11-28T21:30{}",
                              text,
                              zone == time_zone::utc
                                ? " (UTC)"
                                : " (local; with a Z at its end: UTC)"));
}

} // namespace muster
