#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::log {

enum class level : int { trace, debug, info, warning, error, fatal };

/// Fields of a line: `runner`, `job`, `instance`, `slot`, ... Values are text;
/// secrets never get here.
using field = std::pair<std::string, std::string>;
using fields = std::vector<field>;

bool is_level_name(std::string_view text);
bool is_format_name(std::string_view text);

/// Sets what is shown and how; lines go to stderr. `format` is one of GitLab
/// Runner's `runner`, `text` and `json` (reference/cli, section 4). Returns
/// false and changes nothing for an unknown name.
bool configure(std::string_view level_name, std::string_view format);

/// Whether lines of this level are shown: ask before making costly text.
bool enabled(level at);

/// Lines of this level that were written, over all threads.
int64_t written(level at);

/// Writes one line, whole, from any thread.
void write(level at, std::string_view message, const fields& with = {});

inline void debug(std::string_view message, const fields& with = {}) {
  write(level::debug, message, with);
}

inline void info(std::string_view message, const fields& with = {}) {
  write(level::info, message, with);
}

inline void warning(std::string_view message, const fields& with = {}) {
  write(level::warning, message, with);
}

inline void error(std::string_view message, const fields& with = {}) {
  write(level::error, message, with);
}

/// Formats a line without writing it. Pure, for tests. `at_ns` is Unix time.
std::string format_line(std::string_view format, level at,
                        std::string_view message, const fields& with,
                        int64_t at_ns);

/// The `text` format as it looks on a terminal, `seconds` after the start.
/// Pure.
std::string format_terminal_line(level at, std::string_view message,
                                 const fields& with, int64_t seconds);

} // namespace muster::log
