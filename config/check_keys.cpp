#include "config/check_keys.hpp"

#include "config/duration.hpp"
#include "config/keys.hpp"
#include "config/name_hints.hpp"
#include "config/value_hints.hpp"

#include <algorithm>
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

/// In a table of free names: a name with dots, `net.ipv4.ip_forward`, that was
/// written without quotes, so that TOML has made tables of it; in quotes.
std::string dotted_name(const entry& at, const toml::node& wrong) {
  const auto* free_names = at.value->as_table();
  if (free_names == nullptr)
    return "";
  std::string name;
  for (const auto& [key, value] : *free_names)
    if (&value == &wrong)
      name = key.str();
  for (const auto* below = wrong.as_table();
       !name.empty() && below != nullptr && !below->empty();
       below = below->begin()->second.as_table())
    name += fmt::format(".{}", below->begin()->first.str());
  return name.empty() ? "" : in_quotes(name);
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
    auto dotted = wrong.is_table() ? dotted_name(at, wrong) : "";
    auto position
      = wrong.source().begin ? wrong.source().begin : at.key_position();
    out_->add(severity::fatal, position, known.path,
              fmt::format("{} must be {}{} {}", last_part(known.path),
                          type_text(known.type),
                          whole ? ", not" : "; this one is", type_text(wrong)),
              dotted.empty() ? value_hint(known, wrong)
                             : fmt::format("a name with dots stands in quotes: "
                                           "{} = ...",
                                           dotted));
  }

  void check_duration(const entry& at, const key_info& known) {
    auto name = last_part(known.path);
    if (const auto* text = at.value->as_string()) {
      if (auto parsed = parse_duration(text->get()); !parsed)
        out_->add(severity::fatal, at.value_position(), known.path,
                  fmt::format("{}: {}", name, one_line(parsed.error().text)),
                  duration_hint(name, text->get()));
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
    else if (auto hint = name_hint(name, path); !hint.meant.empty())
      out_->add(severity::warning, at.key_position(), full,
                fmt::format("{} key {}{}",
                            hint.is_misplaced ? "misplaced" : "unknown",
                            in_quotes(name), hint.meant));
    else
      out_->add(severity::warning, at.key_position(), full,
                fmt::format("unknown key {}", in_quotes(name)), hint.advice);
  }

  report* out_;
  std::vector<const key_info*> noticed_;
};

} // namespace

void check_keys(const toml::table& file, report& out) {
  key_checker{out}.check_table(file, "", true);
}

} // namespace muster
