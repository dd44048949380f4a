#include "config/diagnostic.hpp"

#include "config/keys.hpp"
#include "config/source.hpp"
#include "config/userinfo.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <numeric>

namespace muster {

namespace {

constexpr size_t shown_columns = 120;
constexpr size_t name_bytes_max = 80;
constexpr size_t text_bytes_max = 300;

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

bool is_control(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// Byte offset of a character; the size of the text if there are fewer.
size_t offset_of(std::string_view text, size_t characters) {
  size_t at = 0;
  for (; at < text.size(); ++at)
    if (!is_continuation(text[at]) && characters-- == 0)
      break;
  return at;
}

size_t length(std::string_view text) {
  return static_cast<size_t>(
    std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

/// Columns that a terminal gives a character: East Asian ones are wide, marks
/// that join the character before them have none.
size_t columns_of(char32_t c) {
  struct range {
    char32_t first;
    char32_t last;
  };
  constexpr std::array marks{range{0x0300, 0x036F}, range{0x200B, 0x200F},
                             range{0x20D0, 0x20FF}, range{0xFE00, 0xFE0F},
                             range{0xFE20, 0xFE2F}};
  constexpr std::array wide{
    range{0x1100, 0x115F},   range{0x2E80, 0x303E},   range{0x3041, 0xA4CF},
    range{0xA960, 0xA97F},   range{0xAC00, 0xD7A3},   range{0xF900, 0xFAFF},
    range{0xFE30, 0xFE6F},   range{0xFF00, 0xFF60},   range{0xFFE0, 0xFFE6},
    range{0x1F300, 0x1F64F}, range{0x1F900, 0x1F9FF}, range{0x20000, 0x3FFFD}};
  auto inside = [c](const range& x) { return c >= x.first && c <= x.last; };
  if (std::ranges::any_of(marks, inside))
    return 0;
  return std::ranges::any_of(wide, inside) ? 2 : 1;
}

/// The same for text, which is UTF-8.
size_t columns_of(std::string_view text) {
  size_t sum = 0;
  for (size_t i = 0; i < text.size();) {
    auto first = static_cast<unsigned char>(text[i]);
    char32_t c = first < 0x80   ? first
                 : first < 0xE0 ? first & 0x1FU
                 : first < 0xF0 ? first & 0x0FU
                                : first & 0x07U;
    for (++i; i < text.size() && is_continuation(text[i]); ++i)
      c = (c << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
    sum += columns_of(c);
  }
  return sum;
}

bool is_key_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::string beginning(std::string_view text, size_t bytes_max) {
  auto end = std::min(text.size(), bytes_max);
  while (end < text.size() && end > 0 && is_continuation(text[end]))
    --end;
  auto shown = repaired(text.substr(0, end));
  std::ranges::replace_if(shown, is_control, '?');
  return end < text.size() ? shown + "..." : shown;
}

constexpr std::string_view hidden = "<secret>";

/// Where the value of what may be a secret begins in a line, or npos: also in
/// text that is no key of the file.
size_t secret_begin(std::string_view line) {
  for (auto equals = line.find('='); equals != std::string_view::npos;
       equals = line.find('=', equals + 1)) {
    auto end = line.find_last_not_of(" \t\"'", equals == 0 ? 0 : equals - 1);
    if (equals == 0 || end == std::string_view::npos)
      continue;
    auto begin = end + 1;
    while (begin > 0 && is_key_byte(line[begin - 1]))
      --begin;
    auto value = std::min(line.find_first_not_of(" \t", equals + 1), //
                          line.size());
    if (may_hold_secret(line.substr(begin, end + 1 - begin))
        && !line.substr(value).starts_with(hidden))
      return value;
  }
  return std::string_view::npos;
}

/// What is shown of a line, and the column of the caret in it.
struct excerpt {
  std::string text;
  size_t column = 1;
};

std::string_view line_at(std::string_view text, size_t number) {
  for (; number > 1; --number) {
    auto end = text.find('\n');
    if (end == std::string_view::npos)
      return "";
    text.remove_prefix(end + 1);
  }
  auto line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r'))
    line.remove_suffix(1);
  return line;
}

/// Shows `<secret>` for what is hidden of a line, wherever the caret is.
excerpt without_values(std::string_view line, size_t line_begin, size_t column,
                       const std::vector<text_range>& hide) {
  auto caret = offset_of(line, column - 1);
  excerpt x;
  size_t done = 0;
  for (const auto& range : hide) {
    auto begin = std::max(range.begin, line_begin) - line_begin;
    auto end = std::min(std::max(range.end, line_begin) - line_begin, //
                        line.size());
    if (begin >= end || begin < done)
      continue;
    x.text += repaired(line.substr(done, begin - done));
    if (caret >= begin && caret < end)
      x.column = length(x.text) + 1;
    x.text += hidden;
    if (caret >= end)
      x.column = length(x.text) + 1 + length(line.substr(end, caret - end));
    else if (caret < begin)
      x.column = column;
    done = end;
  }
  x.text += repaired(line.substr(done));
  if (done == 0)
    x.column = column;
  return x;
}

/// Hides what must not be seen. A line of a string over several lines may be
/// anything: a private key, a script with a password.
excerpt mask(std::string_view source, std::string_view line,
             const diagnostic& what) {
  auto column = std::clamp<size_t>(what.column, 1, length(line) + 1);
  if (begins_inside_string(source, what.line))
    return {std::string{hidden}, 1};
  auto begin = static_cast<size_t>(line.data() - source.data());
  auto hide = find_values(
    source, {begin, begin + line.size()}, [](std::string_view name) {
      return may_hold_secret(name) || name == "volume_driver_ops";
    });
  for (const auto& x : find_userinfo(line))
    hide.push_back({begin + x.begin, begin + x.end});
  std::ranges::stable_sort(hide, {}, &text_range::begin);
  auto shown = without_values(line, begin, column, hide);
  auto secret = secret_begin(shown.text);
  if (secret < shown.text.size()) {
    shown.text = shown.text.substr(0, secret);
    shown.column = std::min(shown.column, length(shown.text) + 1);
    shown.text += hidden;
  }
  return shown;
}

void shorten(excerpt& x) {
  if (length(x.text) <= shown_columns)
    return;
  size_t begin
    = x.column > shown_columns / 2 ? x.column - shown_columns / 2 : 0;
  auto first = offset_of(x.text, begin);
  auto part = x.text.substr(first);
  bool more = length(part) > shown_columns;
  part = part.substr(0, offset_of(part, shown_columns));
  x.column -= begin;
  if (begin > 0) {
    part.insert(0, "...");
    x.column += 3;
  }
  x.text = part + (more ? "..." : "");
}

/// `config.toml:12:3: `.
std::string place_text(const diagnostic& what) {
  if (what.line == 0)
    return fmt::format("{}: ", what.path);
  return fmt::format("{}:{}:{}: ", what.path, what.line, what.column);
}

/// As compilers say it, so that editors find it.
const char* level_text(severity level) {
  switch (level) {
    case severity::notice:
      return "note: ";
    case severity::warning:
      return "warning: ";
    default:
      return "error: ";
  }
}

std::string folded(std::string_view name) {
  std::string into{name};
  std::ranges::transform(into, into.begin(), [](char c) {
    if (c == '-')
      return '_';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return into;
}

/// Typing errors between two texts (optimal string alignment).
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> before;
  std::vector<size_t> last(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> now(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1,
                         last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before = std::exchange(last, std::move(now));
  }
  return last[b.size()];
}

} // namespace

std::string headline(const diagnostic& what) {
  return place_text(what) + what.message;
}

std::string format_diagnostic(const diagnostic& what,
                              std::string_view source_text) {
  auto text = place_text(what) + level_text(what.level) + what.message;
  auto line = what.line == 0 ? "" : line_at(source_text, what.line);
  if (!line.empty()) {
    auto shown = mask(source_text, line, what);
    shorten(shown);
    std::ranges::replace(shown.text, '\t', ' ');
    std::ranges::replace_if(shown.text, is_control, '?');
    auto before = shown.text.substr(0, offset_of(shown.text, shown.column - 1));
    text += fmt::format("\n  {}\n  {:>{}}", shown.text, '^',
                        columns_of(before) + 1);
  }
  if (!what.hint.empty())
    text += "\n  " + what.hint;
  return text;
}

std::optional<std::string>
nearest(std::string_view name,
        const std::vector<std::string_view>& candidates) {
  auto wanted = folded(name.substr(0, name_bytes_max));
  auto best = std::max<size_t>((wanted.size() + 1) / 3, 1) + 1;
  std::optional<std::string> found;
  for (auto candidate : candidates)
    if (auto apart = distance(wanted, folded(candidate));
        apart < best && apart < candidate.size()) {
      best = apart;
      found = candidate;
    }
  return found;
}

bool may_hold_secret(std::string_view key_name) {
  return holds_secret(key_name)
         || nearest(key_name, {"token", "password", "SecretKey", "SessionToken",
                               "AccessKey", "AccountKey", "PrivateKey",
                               "environment", "env"});
}

std::string one_line(std::string_view text) {
  return beginning(text, text_bytes_max);
}

std::string in_quotes(std::string_view name) {
  return fmt::format("\"{}\"", beginning(name, name_bytes_max));
}

} // namespace muster
