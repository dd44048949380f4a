#pragma once

#include "config/diagnostic.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace muster {

/// Collects what is to be said about one file.
class report {
public:
  explicit report(std::string path) : path_(std::move(path)) {
  }

  void add(severity level, const toml::source_position& at,
           std::string_view key_path, std::string message,
           std::string hint = "");

  /// How many there were of that level or worse.
  size_t count(severity at_least) const;

  /// Whether so many warnings were kept that further ones are only counted: a
  /// file with hundreds of thousands must not cost minutes.
  bool full() const;

  /// In the order of the file; what is about no line comes last.
  std::vector<diagnostic> take();

private:
  std::string path_;
  std::vector<diagnostic> found_;
  std::array<size_t, 4> counts_{}; ///< by level
};

/// A key and its value, as they stand in the file.
struct entry {
  const toml::key* key = nullptr; ///< nullptr: there is no such key
  const toml::node* value = nullptr;

  explicit operator bool() const {
    return value != nullptr;
  }

  toml::source_position key_position() const;
  toml::source_position value_position() const;
};

/// Finds a key by its exact name, or else in any letter case.
entry find_entry(const toml::table& table, std::string_view name);

/// What an integer may be; see `section::count`.
struct count_rule {
  int64_t fallback = 0; ///< when the key is missing or too small
  int64_t min = 0;
  int64_t max = std::numeric_limits<int>::max();
};

/// Typed reading of one table whose types were checked before: a value of the
/// wrong type reads as if it were missing.
class section {
public:
  /// `table` may be nullptr: then everything is missing.
  section(const toml::table* table, std::string path, report& out)
    : table_(table),
      path_(std::move(path)),
      out_(&out) {
  }

  bool exists() const {
    return table_ != nullptr;
  }

  const std::string& path() const {
    return path_;
  }

  entry find(std::string_view name) const;

  section child(std::string_view name) const;

  std::vector<section> children(std::string_view name) const;

  std::string text(std::string_view name, std::string fallback = "") const;

  bool flag(std::string_view name, bool fallback = false) const;

  std::optional<bool> optional_flag(std::string_view name) const;

  double number(std::string_view name, double fallback) const;

  std::vector<double> numbers(std::string_view name) const;

  int64_t integer(std::string_view name, int64_t fallback) const;

  /// Reads a count. Below `min` it is the fallback, above `max` it is `max`,
  /// both with a warning; 0 stands for the fallback without one, as documented.
  int64_t count(std::string_view name, const count_rule& rule) const;

  /// The same, for a rule whose `max` fits.
  int small_count(std::string_view name, const count_rule& rule) const;

  /// Reads a duration; zero or less is the fallback, the latter with a warning.
  /// A positive one is at least a millisecond.
  std::chrono::milliseconds duration(std::string_view name,
                                     std::chrono::milliseconds fallback) const;

  /// Reads a date, with or without a time, as Unix time; one before 1970 is 0,
  /// which stands for none. [s]
  int64_t unix_time(std::string_view name) const;

  std::vector<std::string> texts(std::string_view name) const;

  std::map<std::string, std::string> text_map(std::string_view name) const;

  std::map<std::string, bool> flag_map(std::string_view name) const;

  /// Returns a value of any type as JSON; empty: there is none.
  std::string json(std::string_view name) const;

  /// Says something about a value, or about the section if the key is missing.
  void say(severity level, std::string_view name, std::string message,
           std::string hint = "") const;

  /// Says something about one element of a list.
  void say_of_element(severity level, std::string_view name, size_t index,
                      std::string message, std::string hint = "") const;

private:
  const toml::table* table_;
  std::string path_;
  report* out_;
};

/// Reads a value of type `duration`; nothing if it is none.
std::optional<std::chrono::nanoseconds> read_duration(const toml::node& value);

} // namespace muster
