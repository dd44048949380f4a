#include "config/section.hpp"

#include "config/duration.hpp"
#include "config/keys.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

namespace muster {

namespace {

using std::chrono::milliseconds;

constexpr size_t kept_max = 300; // diagnostics of a level

std::string joined(std::string_view section, std::string_view name) {
  return section.empty() ? std::string{name}
                         : fmt::format("{}.{}", section, name);
}

template <class T>
std::string streamed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

/// Integral numbers lose their fraction, as in Go's JSON: a plugin may refuse
/// `3.0` for a count. JSON has no infinity: null.
nlohmann::json number_to_json(double value) {
  constexpr double exact = 9007199254740992.0; // 2^53
  if (std::isfinite(value) && std::trunc(value) == value
      && std::abs(value) < exact)
    return static_cast<int64_t>(value);
  return value;
}

/// The recursion is bounded: deep nesting was refused before parsing.
nlohmann::json to_json(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    auto object = nlohmann::json::object();
    for (const auto& [key, value] : *table)
      object[std::string{key.str()}] = to_json(value);
    return object;
  }
  if (const auto* array = node.as_array()) {
    auto list = nlohmann::json::array();
    for (const auto& value : *array)
      list.push_back(to_json(value));
    return list;
  }
  if (const auto* text = node.as_string())
    return text->get();
  if (const auto* integer = node.as_integer())
    return integer->get();
  if (const auto* number = node.as_floating_point())
    return number_to_json(number->get());
  if (const auto* flag = node.as_boolean())
    return flag->get();
  if (const auto* date = node.as_date())
    return streamed(date->get());
  if (const auto* time = node.as_time())
    return streamed(time->get());
  if (const auto* moment = node.as_date_time())
    return streamed(moment->get());
  return nullptr;
}

} // namespace

void report::add(severity level, const toml::source_position& at,
                 std::string_view key_path, std::string message,
                 std::string hint) {
  if (counts_[static_cast<size_t>(level)]++ < kept_max)
    found_.push_back({level, path_, at.line, at.column, std::string{key_path},
                      std::move(message), std::move(hint)});
}

size_t report::count(severity at_least) const {
  return std::accumulate(counts_.begin() + static_cast<int>(at_least),
                         counts_.end(), size_t{0});
}

bool report::full() const {
  return counts_[static_cast<size_t>(severity::warning)] >= kept_max;
}

std::vector<diagnostic> report::take() {
  std::ranges::stable_sort(found_, {}, [](const diagnostic& x) {
    auto line = x.line == 0 ? std::numeric_limits<size_t>::max() : x.line;
    return std::pair{line, x.column};
  });
  if (auto left_out = count(severity::notice) - found_.size(); left_out > 0)
    found_.push_back({severity::notice, path_, 0, 0, "",
                      fmt::format("{} more of the same kinds", left_out), ""});
  return std::move(found_);
}

toml::source_position entry::key_position() const {
  if (key != nullptr && key->source().begin)
    return key->source().begin;
  return value_position();
}

toml::source_position entry::value_position() const {
  return value == nullptr ? toml::source_position{} : value->source().begin;
}

entry find_entry(const toml::table& table, std::string_view name) {
  entry other_case;
  for (const auto& [key, value] : table) {
    if (key.str() == name)
      return {&key, &value};
    if (!other_case && same_ignoring_case(key.str(), name))
      other_case = {&key, &value};
  }
  return other_case;
}

entry section::find(std::string_view name) const {
  return table_ == nullptr ? entry{} : find_entry(*table_, name);
}

section section::child(std::string_view name) const {
  auto at = find(name);
  return {at ? at.value->as_table() : nullptr, joined(path_, name), *out_};
}

std::vector<section> section::children(std::string_view name) const {
  std::vector<section> found;
  auto at = find(name);
  if (const auto* array = at ? at.value->as_array() : nullptr)
    for (const auto& element : *array)
      if (const auto* table = element.as_table())
        found.emplace_back(table, joined(path_, name), *out_);
  return found;
}

std::string section::text(std::string_view name, std::string fallback) const {
  auto at = find(name);
  const auto* value = at ? at.value->as_string() : nullptr;
  return value == nullptr ? std::move(fallback) : value->get();
}

bool section::flag(std::string_view name, bool fallback) const {
  return optional_flag(name).value_or(fallback);
}

std::optional<bool> section::optional_flag(std::string_view name) const {
  auto at = find(name);
  const auto* value = at ? at.value->as_boolean() : nullptr;
  return value == nullptr ? std::nullopt : std::optional{value->get()};
}

double section::number(std::string_view name, double fallback) const {
  auto at = find(name);
  if (const auto* value = at ? at.value->as_floating_point() : nullptr)
    return value->get();
  if (const auto* value = at ? at.value->as_integer() : nullptr)
    return static_cast<double>(value->get());
  return fallback;
}

std::vector<double> section::numbers(std::string_view name) const {
  std::vector<double> out;
  auto at = find(name);
  const auto* list = at ? at.value->as_array() : nullptr;
  if (list == nullptr)
    return out;
  for (const auto& x : *list)
    if (auto value = x.value<double>()) // of a whole number, too
      out.push_back(*value);
  return out;
}

int64_t section::integer(std::string_view name, int64_t fallback) const {
  auto at = find(name);
  const auto* value = at ? at.value->as_integer() : nullptr;
  return value == nullptr ? fallback : value->get();
}

int64_t section::count(std::string_view name, const count_rule& rule) const {
  auto value = integer(name, rule.fallback);
  if (value > rule.max) {
    say(severity::warning, name,
        fmt::format("{} = {} is more than muster can use: {} is taken", name,
                    value, rule.max));
    return rule.max;
  }
  if (value >= rule.min)
    return value;
  if (value < 0)
    say(severity::warning, name,
        fmt::format("{} = {} is negative: {} is taken", name, value,
                    rule.fallback),
        fmt::format("write {} = {}, or remove the line", name, rule.fallback));
  return rule.fallback;
}

int section::small_count(std::string_view name, const count_rule& rule) const {
  return static_cast<int>(count(name, rule));
}

milliseconds section::duration(std::string_view name,
                               milliseconds fallback) const {
  auto at = find(name);
  auto value = at ? read_duration(*at.value) : std::nullopt;
  if (!value || *value == std::chrono::nanoseconds{0})
    return fallback;
  if (*value < std::chrono::nanoseconds{0}) {
    say(severity::warning, name,
        fmt::format("{} is negative: {} is taken", name,
                    format_duration(fallback)));
    return fallback;
  }
  // Beyond that it is for ever, and moments must be told with it.
  constexpr std::chrono::hours longest{10 * 365 * 24};
  return std::clamp<milliseconds>(
    std::chrono::duration_cast<milliseconds>(*value), milliseconds{1}, longest);
}

int64_t section::unix_time(std::string_view name) const {
  auto at = find(name);
  toml::date_time when{};
  if (const auto* moment = at ? at.value->as_date_time() : nullptr)
    when = moment->get();
  else if (const auto* day = at ? at.value->as_date() : nullptr)
    when = toml::date_time{day->get(), toml::time{}};
  else
    return 0;
  std::tm parts{};
  parts.tm_year = when.date.year - 1900;
  parts.tm_mon = when.date.month - 1;
  parts.tm_mday = when.date.day;
  parts.tm_hour = when.time.hour;
  parts.tm_min = when.time.minute;
  parts.tm_sec = when.time.second;
  auto offset = when.offset ? when.offset->minutes : 0;
  return std::max<int64_t>(::timegm(&parts) - int64_t{offset} * 60, 0);
}

std::vector<std::string> section::texts(std::string_view name) const {
  std::vector<std::string> found;
  auto at = find(name);
  if (const auto* array = at ? at.value->as_array() : nullptr)
    for (const auto& element : *array)
      if (const auto* value = element.as_string())
        found.push_back(value->get());
  return found;
}

std::map<std::string, std::string>
section::text_map(std::string_view name) const {
  std::map<std::string, std::string> found;
  auto at = find(name);
  if (const auto* table = at ? at.value->as_table() : nullptr)
    for (const auto& [key, value] : *table)
      if (const auto* text = value.as_string())
        found.emplace(key.str(), text->get());
  return found;
}

std::string section::json(std::string_view name) const {
  auto at = find(name);
  if (!at)
    return {};
  return to_json(*at.value).dump(-1, ' ', false,
                                 nlohmann::json::error_handler_t::replace);
}

std::map<std::string, bool> section::flag_map(std::string_view name) const {
  std::map<std::string, bool> found;
  auto at = find(name);
  if (const auto* table = at ? at.value->as_table() : nullptr)
    for (const auto& [key, value] : *table)
      if (const auto* flag = value.as_boolean())
        found.emplace(key.str(), flag->get());
  return found;
}

void section::say(severity level, std::string_view name, std::string message,
                  std::string hint) const {
  auto at = find(name);
  auto position = at                  ? at.value_position()
                  : table_ != nullptr ? table_->source().begin
                                      : toml::source_position{};
  out_->add(level, position, joined(path_, name), std::move(message),
            std::move(hint));
}

void section::say_of_element(severity level, std::string_view name,
                             size_t index, std::string message,
                             std::string hint) const {
  auto at = find(name);
  const auto* list = at ? at.value->as_array() : nullptr;
  const auto* element = list == nullptr ? nullptr : list->get(index);
  if (element == nullptr || !element->source().begin)
    say(level, name, std::move(message), std::move(hint));
  else
    out_->add(level, element->source().begin, joined(path_, name),
              std::move(message), std::move(hint));
}

std::optional<std::chrono::nanoseconds> read_duration(const toml::node& value) {
  if (const auto* integer = value.as_integer())
    return std::chrono::nanoseconds{integer->get()};
  if (const auto* text = value.as_string())
    if (auto parsed = parse_duration(text->get()))
      return *parsed;
  return std::nullopt;
}

} // namespace muster
