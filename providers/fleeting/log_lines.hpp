#pragma once

#include "config/log.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace muster::fleeting {

/// A line of a plugin as one of ours.
struct log_line {
  log::level at = log::level::debug;
  std::string message;
  log::fields fields;
};

/// Turns what a plugin writes to stderr into lines of the log: JSON objects of
/// its logger keep level and fields; the rest is told by prefixes, and is an
/// error from a panic on. Pure but for the callback.
///
/// Source: reference/fleeting-plugins, section 6.
class log_reader {
public:
  using sink = std::function<void(const log_line&)>;

  explicit log_reader(sink to) : sink_(std::move(to)) {
  }

  /// The next bytes, cut anywhere.
  void take(std::string_view bytes);

  /// No more come: what is left is a line.
  void finish();

  /// The last lines that were no routine, for an error text; one line, at most
  /// some hundred characters.
  const std::string& last_words() const {
    return last_words_;
  }

private:
  void line(std::string_view text);
  void tell(log_line what);

  sink sink_;
  std::string rest_;       ///< of a line without its end
  bool overlong_ = false;  ///< the line under way is told in pieces
  bool panicking_ = false; ///< untagged lines are errors
  std::string last_words_;
};

/// Reads one line; `panicking` is kept from line to line. Pure.
log_line read_log_line(std::string_view text, bool& panicking);

} // namespace muster::fleeting
