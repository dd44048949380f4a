#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace muster {

// Where things stand in TOML text, in bytes. For text that the parser took:
// what it refuses is not looked at.

/// From `begin` up to, and without, `end`. [bytes]
struct text_span {
  size_t begin = 0;
  size_t end = 0;
};

/// The byte at a position of the parser's, which counts characters; nothing if
/// it is not in the text.
std::optional<size_t> offset_of(std::string_view text,
                                const toml::source_position& at);

/// Returns the end of the value that begins at `begin`.
size_t value_end(std::string_view text, size_t begin);

/// A header or a `name = value` that is not within another value.
struct toml_statement {
  text_span what;  ///< without the comment behind it
  text_span lines; ///< whole lines, line breaks included
  bool is_header = false;
  std::vector<std::string> path; ///< of a header: its parts
};

/// All statements of a text, in order.
std::vector<toml_statement> statements_of(std::string_view text);

/// The beginning and the end of the line that a byte is in; the end is behind
/// the line break.
size_t line_begin(std::string_view text, size_t at);
size_t line_end(std::string_view text, size_t at);

/// Whether there is nothing in the line, or only a comment.
bool is_blank_line(std::string_view line);
bool is_comment_line(std::string_view line);

/// Blanks at the beginning of the line that a byte is in.
std::string indentation(std::string_view text, size_t at);

} // namespace muster
