#include "config/check_keys.hpp"

#include "config/duration.hpp"
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace muster {

namespace {

std::string_view type_text(key_type type) {
  switch (type) {
    case key_type::boolean:
      return "true or false";
    case key_type::integer:
      return "a whole number";
    case key_type::number:
      return "a number";
    case key_type::string:
      return "a string";
    case key_type::duration:
      return "a duration such as \"20m0s\"";
    case key_type::datetime:
      return "a date and time";
    case key_type::string_list:
      return "a list of strings";
    case key_type::string_or_list:
      return "a string or a list of strings";
    case key_type::number_list:
      return "a list of numbers";
    case key_type::string_map:
      return "a table of strings";
    case key_type::boolean_map:
      return "a table of true and false";
    case key_type::list_map:
      return "a table of lists of strings";
    case key_type::section_list:
      return "a list of tables";
    default:
      return "a table";
  }
}

std::string_view type_text(const toml::node& value) {
  switch (value.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

/// Returns the first part of a value that does not fit, or nullptr.
const toml::node* misfit(const toml::node& value, key_type type);

const toml::node* misfit_in_list(const toml::node& value, key_type elements) {
  const auto* array = value.as_array();
  if (array == nullptr)
    return &value;
  for (const auto& element : *array)
    if (misfit(element, elements) != nullptr)
      return &element;
  return nullptr;
}

const toml::node* misfit_in_table(const toml::node& value, key_type elements) {
  const auto* table = value.as_table();
  if (table == nullptr)
    return &value;
  for (const auto& [key, element] : *table)
    if (const auto* wrong = misfit(element, elements))
      return wrong;
  return nullptr;
}

bool fits(const toml::node& value, key_type type) {
  switch (type) {
    case key_type::boolean:
      return value.is_boolean();
    case key_type::integer:
      return value.is_integer();
    case key_type::number:
      return value.is_number();
    case key_type::string:
      return value.is_string();
    case key_type::duration:
      return value.is_string() || value.is_integer();
    case key_type::datetime:
      return value.is_date_time() || value.is_date();
    default:
      return value.is_table();
  }
}

const toml::node* misfit(const toml::node& value, key_type type) {
  switch (type) {
    case key_type::string_list:
      return misfit_in_list(value, key_type::string);
    case key_type::number_list:
      return misfit_in_list(value, key_type::number);
    case key_type::section_list:
      return misfit_in_list(value, key_type::section);
    case key_type::string_or_list:
      return value.is_string() ? nullptr
                               : misfit_in_list(value, key_type::string);
    case key_type::string_map:
      return misfit_in_table(value, key_type::string);
    case key_type::boolean_map:
      return misfit_in_table(value, key_type::boolean);
    case key_type::list_map:
      return misfit_in_table(value, key_type::string_list);
    default:
      return fits(value, type) ? nullptr : &value;
  }
}

/// A text that a number was written for by mistake: not a guess of the unit.
std::string text_for(std::string_view name, int64_t number) {
  if (name == "listen_address")
    return fmt::format("write {} = \":{}\"", name, number);
  if (name.find("memory") != std::string_view::npos || name == "max_size")
    return fmt::format("write it with its unit, like {} = \"512m\"", name);
  return fmt::format("write {} = \"{}\"", name, number);
}

/// A number that a text was written for, or another kind of number.
std::string number_for(std::string_view name, const toml::node& value,
                       bool is_whole) {
  double number = 0;
  std::string shown;
  if (const auto* text = value.as_string()) {
    shown = text->get();
    const auto* end = shown.data() + shown.size();
    if (shown.empty() || shown.size() > 12
        || std::from_chars(shown.data(), end, number).ptr != end)
      shown.clear();
  } else if (const auto* real = value.as_floating_point()) {
    number = real->get();
    shown = fmt::format("{}", number);
  }
  if (shown.empty() || (is_whole && number != std::floor(number))
      || std::abs(number) > 1e12)
    return fmt::format("write a {} alone, without quotes and unit, for {}",
                       is_whole ? "whole number" : "number", name);
  return fmt::format("write {} = {}{}", name,
                     is_whole ? fmt::format("{:.0f}", number) : shown,
                     value.is_string() ? ", without quotes" : "");
}

/// What to write in place of a value of the wrong type.
std::string better(const key_info& key, const toml::node& value) {
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
      return number_for(name, value, key.type == key_type::integer);
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

/// What was probably meant by text that is no duration: units as people write
/// them, spaces, a number alone.
std::string likely_duration(std::string_view text) {
  constexpr std::array units{
    std::pair{"d", "h"},    std::pair{"day", "h"},    std::pair{"hr", "h"},
    std::pair{"hour", "h"}, std::pair{"min", "m"},    std::pair{"minute", "m"},
    std::pair{"sec", "s"},  std::pair{"second", "s"}, std::pair{"h", "h"},
    std::pair{"m", "m"},    std::pair{"s", "s"},      std::pair{"ms", "ms"}};
  std::string into;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(" ,"), text.size()));
    auto number = text.substr(0, text.find_first_not_of("0123456789"));
    text.remove_prefix(number.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::string unit{text.substr(0, text.find_first_of(" ,0123456789"))};
    text.remove_prefix(unit.size());
    std::ranges::transform(unit, unit.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    if (unit.size() > 2 && unit.ends_with('s'))
      unit.pop_back();
    const auto* known = std::ranges::find(
      units, unit, [](const auto& x) { return std::string_view{x.first}; });
    if (number.empty() || number.size() > 6
        || (known == units.end() && !unit.empty()))
      return "20m0s";
    auto count = std::stoi(std::string{number});
    into
      += fmt::format("{}{}", unit == "d" || unit == "day" ? count * 24 : count,
                     unit.empty() ? "s" : known->second);
    if (text.empty())
      return into;
  }
}

/// Walks a file's tables beside the table of keys.
class key_checker {
public:
  explicit key_checker(report& out) : out_(&out) {
  }

  void check_table(const toml::table& table, std::string_view path,
                   bool notices) {
    for (const auto& [key, value] : table) {
      entry at{&key, &value};
      const auto* known = find_key_in(path, key.str());
      if (known == nullptr)
        report_unknown(at, path);
      else if (!out_->full() && shadowed(table, at, last_part(known->path)))
        out_->add(severity::warning, at.key_position(), known->path,
                  fmt::format("{} stands here twice, in different letter case: "
                              "this one has no effect",
                              in_quotes(last_part(known->path))),
                  "remove one of the two");
      else
        check_value(at, *known, notices);
    }
  }

private:
  /// Whether another spelling of the same key in the table is the one that is
  /// read.
  static bool shadowed(const toml::table& table, const entry& at,
                       std::string_view name) {
    return find_entry(table, name).key != at.key;
  }

  void check_value(const entry& at, const key_info& known, bool notices) {
    if (const auto* wrong = misfit(*at.value, known.type)) {
      report_type(at, known, *wrong);
      return;
    }
    bool noticed = notices && notice(at, known);
    if (known.type == key_type::duration)
      check_duration(at, known);
    else if (known.type == key_type::section)
      check_table(*at.value->as_table(), known.path, notices && !noticed);
    else if (known.type == key_type::section_list)
      for (const auto& element : *at.value->as_array())
        check_table(*element.as_table(), known.path, notices && !noticed);
  }

  void report_type(const entry& at, const key_info& known,
                   const toml::node& wrong) {
    bool whole = &wrong == at.value;
    auto position
      = wrong.source().begin ? wrong.source().begin : at.key_position();
    out_->add(severity::fatal, position, known.path,
              fmt::format("{} must be {}{} {}", last_part(known.path),
                          type_text(known.type),
                          whole ? ", not" : "; this one is", type_text(wrong)),
              better(known, wrong));
  }

  void check_duration(const entry& at, const key_info& known) {
    auto name = last_part(known.path);
    if (const auto* text = at.value->as_string()) {
      if (auto parsed = parse_duration(text->get()); !parsed)
        out_->add(
          severity::fatal, at.value_position(), known.path,
          fmt::format("{}: {}", name, one_line(parsed.error().text)),
          fmt::format("write {} = \"{}\"", name, likely_duration(text->get())));
      return;
    }
    constexpr int64_t suspicious = 1'000'000'000; // less than a second
    auto count = at.value->as_integer()->get();
    if (count == 0 || count >= suspicious || count <= -suspicious)
      return;
    out_->add(severity::warning, at.value_position(), known.path,
              fmt::format("{} = {} is {} nanoseconds: a bare number is always "
                          "nanoseconds",
                          name, count, count),
              count < 0 ? ""
                        : fmt::format("write {0} = \"{1}s\" for {1} seconds",
                                      name, count));
  }

  /// Says once for each key what muster does not act on. Returns whether that
  /// covers the keys below.
  bool notice(const entry& at, const key_info& known) {
    if (known.status != key_status::not_yet
        && known.status != key_status::ignored)
      return false;
    if (std::ranges::find(noticed_, &known) != noticed_.end())
      return true;
    noticed_.push_back(&known);
    auto what = known.type == key_type::section
                    || known.type == key_type::section_list
                    || known.type == key_type::free_table
                  ? section_header(known.path)
                  : std::string{known.path};
    auto why = known.status == key_status::not_yet
                 ? "is known, but muster does not act on it yet"
                 : "is ignored, as by GitLab Runner with these executors";
    out_->add(severity::notice, at.key_position(), known.path,
              fmt::format("{} ({}) {}", what, known.meaning, why));
    return true;
  }

  void report_unknown(const entry& at, std::string_view path) {
    auto name = at.key->str();
    auto full
      = path.empty() ? std::string{name} : fmt::format("{}.{}", path, name);
    if (out_->full()) // only counted
      out_->add(severity::warning, at.key_position(), full, "");
    else if (auto places = other_places(name); !places.empty())
      out_->add(severity::warning, at.key_position(), full,
                fmt::format("misplaced key {}: it belongs {}", in_quotes(name),
                            places));
    else if (auto meant = meant_by(name, path); !meant.empty())
      out_->add(severity::warning, at.key_position(), full,
                fmt::format("unknown key {}, did you mean {}?", in_quotes(name),
                            meant));
    else
      out_->add(severity::warning, at.key_position(), full,
                fmt::format("unknown key {}", in_quotes(name)),
                fmt::format("it has no effect: no such key {}",
                            path.empty() ? "at the top of the file"
                                         : "in " + section_header(path)));
  }

  /// The key that was probably meant, in quotes: one of the same table, or else
  /// the nearest of another with its place.
  static std::string meant_by(std::string_view name, std::string_view path) {
    std::vector<std::string_view> siblings;
    for (const auto* key : keys_in(path))
      siblings.push_back(last_part(key->path));
    if (auto meant = nearest(name, siblings))
      return in_quotes(*meant);
    constexpr size_t telling = 5; // shorter names are near to too many others
    std::vector<std::string_view> others;
    for (const auto& key : known_keys())
      if (last_part(key.path).size() >= telling)
        others.push_back(last_part(key.path));
    if (auto meant = nearest(name, others))
      if (auto places = other_places(*meant); !places.empty())
        return fmt::format("{} {}", in_quotes(*meant), places);
    return "";
  }

  /// The tables where a key of that name may stand, in words.
  static std::string other_places(std::string_view name) {
    std::vector<std::string> places;
    for (const auto& key : known_keys()) {
      if (!same_ignoring_case(last_part(key.path), name))
        continue;
      auto section = section_of(key.path);
      places.push_back(section.empty() ? "at the top of the file, before any "
                                         "[table]"
                                       : "under " + section_header(section));
    }
    constexpr size_t named_max = 3;
    if (places.empty() || places.size() > named_max)
      return "";
    std::string text = places.front();
    for (size_t i = 1; i < places.size(); ++i)
      text += (i + 1 == places.size() ? " or " : ", ") + places[i];
    return text;
  }

  report* out_;
  std::vector<const key_info*> noticed_;
};

} // namespace

void check_keys(const toml::table& file, report& out) {
  key_checker{out}.check_table(file, "", true);
}

} // namespace muster
