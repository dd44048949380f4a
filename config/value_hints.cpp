#include "config/value_hints.hpp"

#include "config/duration.hpp"
#include "config/readers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <utility>

namespace muster {

namespace {

/// A text that a number was written for by mistake: not a guess of the unit.
std::string text_for(std::string_view name, int64_t number) {
  if (name == "listen_address")
    return fmt::format("write {} = \":{}\"", name, number);
  if (name.find("memory") != std::string_view::npos || name == "max_size")
    return fmt::format("write it with its unit, like {} = \"512m\"", name);
  return fmt::format("write {} = \"{}\"", name, number);
}

/// What was probably meant by text that is no duration: units as people write
/// them, fractions of them, spaces, a number alone.
std::optional<std::string> likely_duration(std::string_view text) {
  struct unit {
    std::string_view name;
    int count; ///< of those of Go's that stand for it
    std::string_view go;
    std::string_view next; ///< what a number alone behind it is in; may be none
  };
  constexpr std::array units{
    unit{"w", 168, "h", ""},    unit{"week", 168, "h", ""},
    unit{"d", 24, "h", "h"},    unit{"day", 24, "h", "h"},
    unit{"h", 1, "h", "m"},     unit{"hr", 1, "h", "m"},
    unit{"hour", 1, "h", "m"},  unit{"m", 1, "m", "s"},
    unit{"min", 1, "m", "s"},   unit{"minute", 1, "m", "s"},
    unit{"s", 1, "s", ""},      unit{"sec", 1, "s", ""},
    unit{"second", 1, "s", ""}, unit{"ms", 1, "ms", ""}};
  text = text.substr(0, text.find_last_not_of(" ,") + 1);
  std::string into;
  std::string next = "s";
  do {
    text.remove_prefix(std::min(text.find_first_not_of(" ,"), text.size()));
    // A comma between digits is how many people write a fraction.
    auto whole = std::min(text.find_first_not_of("0123456789"), text.size());
    auto is_fraction = whole > 0 && whole + 1 < text.size()
                       && (text[whole] == '.' || text[whole] == ',')
                       && text[whole + 1] >= '0' && text[whole + 1] <= '9';
    auto digits = is_fraction
                    ? std::min(text.find_first_not_of("0123456789", whole + 1),
                               text.size())
                    : whole;
    std::string number{text.substr(0, digits)};
    std::ranges::replace(number, ',', '.');
    text.remove_prefix(digits);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::string name{text.substr(0, text.find_first_of(" ,0123456789"))};
    text.remove_prefix(name.size());
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    if (name.size() > 2 && name.ends_with('s'))
      name.pop_back();
    if (name.empty())
      name = std::exchange(next, "");
    const auto* known = std::ranges::find(units, name, &unit::name);
    double count = 0;
    constexpr size_t digits_max = 6;
    if (number.size() > digits_max || known == units.end()
        || std::from_chars(number.data(), number.data() + number.size(), count)
               .ec
             != std::errc{})
      return std::nullopt;
    into += fmt::format("{:.9g}{}", count * known->count, known->go);
    next = known->next;
  } while (!text.empty());
  return parse_duration(into) ? std::optional{into} : std::nullopt;
}

/// What a key counts.
struct counted {
  std::string_view key_path;
  std::string_view unit;
  int64_t bytes = 0; ///< of one; 0: it is a second
};

const counted* counted_by(std::string_view key_path) {
  constexpr int64_t kilobyte = 1024;
  static constexpr std::array all{
    counted{"check_interval", "seconds"},
    counted{"shutdown_timeout", "seconds"},
    counted{"session_server.session_timeout", "seconds"},
    counted{"runners.docker.wait_for_services_timeout", "seconds"},
    counted{"runners.docker.shm_size", "bytes", 1},
    counted{"runners.cache.MaxUploadedArchiveSize", "bytes", 1},
    counted{"runners.output_limit", "kilobytes", kilobyte}};
  const auto* found = std::ranges::find(all, key_path, &counted::key_path);
  return found == all.end() ? nullptr : found;
}

/// The number that a text with a unit stands for, if it is a whole one.
std::optional<int64_t> number_in(const counted& what, std::string_view text) {
  if (what.bytes > 0) {
    auto bytes = parse_memory(text);
    return bytes && *bytes > 0 && *bytes % what.bytes == 0
             ? std::optional{*bytes / what.bytes}
             : std::nullopt;
  }
  auto meant = likely_duration(text);
  auto span = parse_duration(meant ? *meant : std::string{text});
  constexpr std::chrono::seconds second{1};
  return span && span->count() > 0 && (*span % second).count() == 0
           ? std::optional{int64_t{*span / second}}
           : std::nullopt;
}

/// A number that a text was written for, or another kind of number.
std::string number_for(const key_info& key, const toml::node& value) {
  auto name = last_part(key.path);
  auto is_whole = key.type == key_type::integer;
  double number = 0;
  std::string shown;
  const auto* text = value.as_string();
  if (text != nullptr) {
    shown = text->get();
    const auto* end = shown.data() + shown.size();
    if (shown.empty() || shown.size() > 12
        || std::from_chars(shown.data(), end, number).ptr != end)
      shown.clear();
  } else if (const auto* real = value.as_floating_point()) {
    number = real->get();
    shown = fmt::format("{}", number);
  }
  if (!shown.empty() && (!is_whole || number == std::floor(number))
      && std::abs(number) <= 1e12)
    return fmt::format("write {} = {}{}", name,
                       is_whole ? fmt::format("{:.0f}", number) : shown,
                       text != nullptr ? ", without quotes" : "");
  const auto* what = counted_by(key.path);
  if (what == nullptr)
    return fmt::format("write a {} alone, without quotes and unit, for {}",
                       is_whole ? "whole number" : "number", name);
  if (text != nullptr)
    if (auto meant = number_in(*what, text->get()))
      return fmt::format("write {} = {}: it is a number of {}", name, *meant,
                         what->unit);
  return fmt::format("write a whole number of {}, without quotes and unit, for "
                     "{}",
                     what->unit, name);
}

} // namespace

std::string value_hint(const key_info& key, const toml::node& value) {
  auto name = last_part(key.path);
  if (key.type == key_type::section)
    return fmt::format("write [{}] above its keys", key.path);
  if (key.type == key_type::section_list)
    return fmt::format("write [[{}]] above its keys", key.path);
  if (holds_secret(name))
    return "";
  const auto* text = value.as_string();
  const auto* integer = value.as_integer();
  switch (key.type) {
    case key_type::boolean:
      if (text != nullptr && (text->get() == "true" || text->get() == "false"))
        return fmt::format("write {} = {}, without quotes", name, text->get());
      return fmt::format("write {0} = true or {0} = false", name);
    case key_type::integer:
    case key_type::number:
      return number_for(key, value);
    case key_type::string:
      if (integer != nullptr)
        return text_for(name, integer->get());
      return fmt::format("write it like {} = \"...\"", name);
    case key_type::duration:
      return fmt::format("write it like {} = \"20m0s\"", name);
    case key_type::string_list:
      return fmt::format("write it like {} = [\"...\"]", name);
    default:
      return "";
  }
}

std::string duration_hint(std::string_view key_name, std::string_view text) {
  if (auto meant = likely_duration(text))
    return fmt::format("write {} = \"{}\"", key_name, *meant);
  return fmt::format("write it like {} = \"1h30m\"", key_name);
}

} // namespace muster
