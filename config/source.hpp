#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What is read besides regular files.
enum class source_kind : uint8_t {
  file, ///< nothing
  pipe, ///< a pipe to its end: `/dev/stdin`, or a shell's `<(...)`
};

/// Reads a configuration file as a whole. Errors: `not_readable`: it is
/// missing, no regular file, may not be read, or is larger than 4 MiB; it is a
/// pipe, and nothing comes for 10 s.
result<std::string, config_errc>
read_source(const std::string& path, source_kind kind = source_kind::file);

/// Whether there is nothing at all at that path, as opposed to something that
/// cannot be read.
bool is_missing(const std::string& path);

/// Why a text must not be given to the TOML parser.
struct source_fault {
  size_t line = 1;
  size_t column = 1; ///< in characters
  std::string message;
};

/// Looks for what the parser does not survive or explains badly: bytes that are
/// not UTF-8, and tables or arrays nested so deeply that freeing them would
/// exhaust the stack.
std::optional<source_fault> find_source_fault(std::string_view text);

/// The text with a `?` for each byte that is not UTF-8.
std::string repaired(std::string_view text);

/// Bytes of a text, from `begin` to before `end`.
struct text_range {
  size_t begin = 0;
  size_t end = 0;
};

/// Where the values of keys stand whose names are `chosen`, as far as they
/// reach into `within`. A list or inline table is taken whole, over all its
/// lines; outside of such, and where TOML is broken, rather too much is taken
/// than too little.
std::vector<text_range>
find_values(std::string_view text, const text_range& within,
            const std::function<bool(std::string_view name)>& chosen);

/// Whether a line (from 1) begins within a string over several lines.
bool begins_inside_string(std::string_view text, size_t line);

} // namespace muster
