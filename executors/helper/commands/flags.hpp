#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace muster::helper {

/// Where a flag's value goes. The environment's form of a list is separated by
/// commas, that of `lines` by line ends.
struct lines {
  std::vector<std::string>* to;
};

using flag_target = std::variant<std::string*, std::vector<std::string>*, lines,
                                 bool*, int64_t*, std::chrono::nanoseconds*>;

/// A flag of a command.
struct flag {
  std::string_view name;     ///< without dashes
  std::string_view variable; ///< of the environment; empty: none
  flag_target to;
};

/// Reads a command's arguments as GitLab Runner does: `-flag v`, `--flag v`,
/// `--flag=v`, lists by repetition, booleans alone or with `=false`; what is
/// not given comes from the environment, an empty variable counting as none.
///
/// Durations are Go's (`1h30m`). `rest` gets what is no flag; without it that
/// is an error.
/// @return what is wrong with the arguments, naming flag and variable but no
/// value of a variable; nothing if all is well
std::optional<std::string> read_flags(const std::vector<flag>& known,
                                      const std::vector<std::string>& arguments,
                                      std::vector<std::string>* rest = nullptr);

/// Reads a duration as Go writes it, without sign: `1h30m`, `1.5s`, `0`;
/// nothing for another text.
std::optional<std::chrono::nanoseconds> duration_of(std::string_view text);

/// Reads a boolean as Go does: `true`, `1`, `t`, ..., `false`, `0`, `f`, ...
std::optional<bool> boolean_of(std::string_view text);

} // namespace muster::helper
