#include "config/period.hpp"

#include <array>
#include <charconv>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <vector>

namespace muster {

namespace {

constexpr std::array<std::string_view, 12> month_names{
  "jan", "feb", "mar", "apr", "may", "jun",
  "jul", "aug", "sep", "oct", "nov", "dec"};

constexpr std::array<std::string_view, 7> weekday_names{
  "sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/// What a field may hold; `names` count from `min`.
struct field_rules {
  int min;
  int max;
  std::span<const std::string_view> names;
};

constexpr std::array<field_rules, 5> fields{{
  {0, 59, {}},
  {0, 23, {}},
  {1, 31, {}},
  {1, 12, month_names},
  {0, 7, weekday_names},
}};

/// The values of one field, and whether a range in it descends.
struct field_values {
  std::bitset<60> set;
  bool wraps = false;
};

tl::unexpected<failure<config_errc>> refuse(std::string text) {
  return fail(config_errc::not_valid, std::move(text));
}

std::vector<std::string_view> split(std::string_view text,
                                    std::string_view separators) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (;;) {
    auto end = text.find_first_of(separators, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos)
      return parts;
    begin = end + 1;
  }
}

std::optional<int> parse_number(std::string_view text) {
  int value = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || text[0] == '-' || error != std::errc{} || stop != end)
    return std::nullopt;
  return value;
}

bool same_letters(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size())
    return false;
  for (size_t i = 0; i < text.size(); ++i)
    if ((text[i] | 0x20) != lower[i])
      return false;
  return true;
}

std::optional<int> parse_value(std::string_view text,
                               const field_rules& rules) {
  for (size_t i = 0; i < rules.names.size(); ++i)
    if (same_letters(text, rules.names[i]))
      return rules.min + static_cast<int>(i);
  return parse_number(text);
}

/// Returns an error text, or nothing.
std::optional<std::string> out_of_range(int value, const field_rules& rules) {
  if (value < rules.min)
    return fmt::format("exceeds minimum: {}", rules.min);
  if (value > rules.max)
    return fmt::format("exceeds maximum: {}", rules.max);
  return std::nullopt;
}

/// One item of a field's list.
struct item {
  int first = 0;
  int last = 0;
  int step = 1;
  bool bare_star = false;
};

result<int, config_errc> parse_step(std::string_view text,
                                    const field_rules& rules) {
  auto step = parse_number(text);
  if (!step || *step == 0)
    return refuse("step cannot be zero");
  if (auto error = out_of_range(*step, rules))
    return refuse(*error);
  return *step;
}

result<item, config_errc> parse_range(std::string_view text,
                                      std::string_view whole,
                                      const field_rules& rules) {
  auto ends = split(text, "-");
  if (ends.size() > 2)
    return refuse(fmt::format("invalid expression: {}", whole));
  item it;
  for (auto [into, from] :
       {std::pair{&it.first, ends.front()}, std::pair{&it.last, ends.back()}}) {
    auto value = parse_value(from, rules);
    if (!value)
      return refuse(fmt::format("invalid expression: {}", whole));
    if (auto error = out_of_range(*value, rules))
      return refuse(*error);
    *into = *value;
  }
  return it;
}

result<item, config_errc> parse_item(std::string_view text,
                                     const field_rules& rules) {
  auto slash = text.find('/');
  auto range = text.substr(0, slash);
  result<item, config_errc> it
    = item{rules.min, rules.max, 1, slash == std::string_view::npos};
  if (range != "*")
    it = parse_range(range, text, rules);
  if (!it || slash == std::string_view::npos)
    return it;
  auto step = parse_step(text.substr(slash + 1), rules);
  if (!step)
    return tl::unexpected{step.error()};
  it->step = *step;
  return it;
}

result<field_values, config_errc> parse_field(std::string_view text,
                                              const field_rules& rules) {
  field_values values;
  bool star = false;
  for (auto part : split(text, ",")) {
    auto it = parse_item(part, rules);
    if (!it)
      return tl::unexpected{it.error()};
    if (it->bare_star && star)
      return refuse("* already given");
    star = star || it->bare_star;
    bool descends = it->first > it->last;
    values.wraps = values.wraps || descends;
    for (int v = rules.min; v <= rules.max; ++v) {
      bool inside = descends ? v >= it->first || v <= it->last
                             : v >= it->first && v <= it->last;
      if (inside && v % it->step == 0)
        values.set.set(static_cast<size_t>(v));
    }
  }
  return values;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (auto part : split(text, " \t\n\v\f\r"))
    if (!part.empty())
      found.push_back(part);
  return found;
}

template <size_t N>
std::bitset<N> narrow(const std::bitset<60>& from) {
  std::bitset<N> into;
  for (size_t i = 0; i < N; ++i)
    into[i] = from[i];
  return into;
}

template <size_t N>
bool has(const std::bitset<N>& set, int value) {
  return value >= 0 && value < static_cast<int>(N)
         && set[static_cast<size_t>(value)];
}

} // namespace

result<period, config_errc> parse_period(std::string_view text) {
  auto parts = words(text);
  if (parts.size() != fields.size())
    return refuse("invalid cron format");
  std::array<field_values, fields.size()> values;
  period parsed;
  for (size_t i = 0; i < fields.size(); ++i) {
    auto field = parse_field(parts[i], fields[i]);
    if (!field)
      return tl::unexpected{field.error()};
    values[i] = *field;
    parsed.wraps = parsed.wraps || field->wraps;
  }
  parsed.minutes = values[0].set;
  parsed.hours = narrow<24>(values[1].set);
  parsed.days = narrow<32>(values[2].set);
  parsed.months = narrow<13>(values[3].set);
  parsed.weekdays = narrow<8>(values[4].set);
  return parsed;
}

bool matches(const period& what, int minute, int hour, int day, int month,
             int weekday) {
  bool sunday = weekday == 0 || weekday == 7;
  bool that_day = sunday ? what.weekdays[0] || what.weekdays[7]
                         : has(what.weekdays, weekday);
  return has(what.minutes, minute) && has(what.hours, hour)
         && has(what.days, day) && has(what.months, month) && that_day;
}

bool never_matches(const period& what) {
  constexpr std::array longest{0,  31, 29, 31, 30, 31, 30,
                               31, 31, 30, 31, 30, 31};
  if (what.minutes.none() || what.hours.none() || what.weekdays.none())
    return true;
  for (int month = 1; month <= 12; ++month)
    for (int day = 1; day <= longest[static_cast<size_t>(month)]; ++day)
      if (has(what.months, month) && has(what.days, day))
        return false;
  return true;
}

std::string wrap_notice(std::string_view text) {
  return fmt::format(
    "period \"{}\": the descending range wraps around, so only "
    "the times within it match (in GitLab Runner it matches "
    "everything)",
    text);
}

} // namespace muster
