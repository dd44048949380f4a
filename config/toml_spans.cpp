#include "config/toml_spans.hpp"

#include <algorithm>

namespace muster {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

size_t skip_blanks(std::string_view text, size_t at) {
  while (at < text.size() && is_blank(text[at]))
    ++at;
  return at;
}

size_t skip_comment(std::string_view text, size_t at) {
  return std::min(text.find('\n', at), text.size());
}

/// Blanks, line breaks and comments.
size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size())
    if (is_blank(text[at]) || text[at] == '\n' || text[at] == '\r')
      ++at;
    else if (text[at] == '#')
      at = skip_comment(text, at);
    else
      break;
  return at;
}

size_t string_end(std::string_view text, size_t at) {
  auto quote = text[at];
  auto is_long = text.substr(at, 3) == std::string(3, quote);
  auto closing = std::string(is_long ? 3 : 1, quote);
  for (at += closing.size(); at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"') {
      ++at;
    } else if (text.substr(at, closing.size()) == closing) {
      at += closing.size();
      // A long string may end with up to two quotes of its own.
      for (auto i = 0;
           i < 2 && is_long && at < text.size() && text[at] == quote; ++i)
        ++at;
      return at;
    }
  }
  return text.size();
}

/// A list or an inline table: up to its own closing bracket.
size_t bracket_end(std::string_view text, size_t at) {
  size_t depth = 0;
  while (at < text.size()) {
    auto c = text[at];
    if (c == '"' || c == '\'') {
      at = string_end(text, at);
      continue;
    }
    if (c == '#') {
      at = skip_comment(text, at);
      continue;
    }
    ++at;
    if (c == '[' || c == '{')
      ++depth;
    else if ((c == ']' || c == '}') && --depth == 0)
      return at;
  }
  return at;
}

/// A number, a truth value, or a date, which may have a space in it.
size_t bare_end(std::string_view text, size_t at) {
  auto end = std::min(text.find_first_of(",]}#\r\n", at), text.size());
  while (end > at && is_blank(text[end - 1]))
    --end;
  return end;
}

/// The `=` behind a key.
size_t equals_of(std::string_view text, size_t at) {
  while (at < text.size() && text[at] != '=')
    at = text[at] == '"' || text[at] == '\'' ? string_end(text, at) : at + 1;
  return at;
}

/// The parts of a header, read by the parser itself.
std::vector<std::string> path_of(std::string_view header) {
  std::vector<std::string> path;
  auto root = toml::parse(header);
  const toml::node* at = &root;
  while (at != nullptr) {
    const auto* table = at->as_table();
    if (const auto* list = at->as_array(); list != nullptr && !list->empty())
      table = list->get(0)->as_table();
    if (table == nullptr || table->empty())
      break;
    path.emplace_back(table->begin()->first.str());
    at = &table->begin()->second;
  }
  return path;
}

size_t statement_end(std::string_view text, size_t begin) {
  if (text[begin] == '[')
    return bracket_end(text, begin);
  auto equals = equals_of(text, begin);
  if (equals >= text.size())
    return text.size();
  return value_end(text, skip_blanks(text, equals + 1));
}

} // namespace

std::optional<size_t> offset_of(std::string_view text,
                                const toml::source_position& at) {
  if (at.line == 0 || at.column == 0)
    return std::nullopt;
  size_t offset = 0;
  for (toml::source_index line = 1; line < at.line; ++line) {
    offset = text.find('\n', offset);
    if (offset == std::string_view::npos)
      return std::nullopt;
    ++offset;
  }
  if (at.line == 1 && text.starts_with(byte_order_mark))
    offset += byte_order_mark.size();
  for (toml::source_index column = 1; column < at.column; ++column) {
    if (offset >= text.size())
      return std::nullopt;
    do
      ++offset;
    while (offset < text.size()
           && (static_cast<unsigned char>(text[offset]) & 0xc0) == 0x80);
  }
  return offset;
}

size_t value_end(std::string_view text, size_t begin) {
  if (begin >= text.size())
    return text.size();
  switch (text[begin]) {
    case '"':
    case '\'':
      return string_end(text, begin);
    case '[':
    case '{':
      return bracket_end(text, begin);
    default:
      return bare_end(text, begin);
  }
}

std::vector<toml_statement> statements_of(std::string_view text) {
  std::vector<toml_statement> found;
  size_t at = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  while ((at = skip_space(text, at)) < text.size()) {
    toml_statement next;
    next.what = {at, statement_end(text, at)};
    next.lines = {line_begin(text, at), line_end(text, next.what.end)};
    next.is_header = text[at] == '[';
    if (next.is_header)
      next.path = path_of(text.substr(at, next.what.end - at));
    at = std::max(next.what.end, at + 1);
    found.push_back(std::move(next));
  }
  return found;
}

size_t line_begin(std::string_view text, size_t at) {
  if (at == 0)
    return 0;
  auto newline = text.rfind('\n', at - 1);
  return newline == std::string_view::npos ? 0 : newline + 1;
}

size_t line_end(std::string_view text, size_t at) {
  auto newline = text.find('\n', at);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

bool is_blank_line(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool is_comment_line(std::string_view line) {
  auto first = line.find_first_not_of(" \t");
  return first != std::string_view::npos && line[first] == '#';
}

std::string indentation(std::string_view text, size_t at) {
  auto begin = line_begin(text, at);
  return std::string{text.substr(begin, skip_blanks(text, begin) - begin)};
}

} // namespace muster
