#pragma once

#include <string>
#include <string_view>

namespace muster {

/// What is said of a key that does not stand in the table of known keys.
struct name_hint_text {
  /// What was probably meant, as the end of a sentence about the key: `, did
  /// you mean "idle_count"?`; may be empty.
  std::string meant;
  std::string advice;        ///< if `meant` is empty
  bool is_misplaced = false; ///< there is such a key in another table
};

/// Guesses what was meant by a key `name` of the table `path`: keys of the same
/// table come first. Of a group's tables nothing leads to other parts of the
/// file but to keys of the runner, which are often written behind them.
name_hint_text name_hint(std::string_view name, std::string_view path);

} // namespace muster
