#include "tools/coordinator/trace_view.hpp"

#include <algorithm>
#include <cctype>

namespace muster::gitlab {

namespace {

constexpr size_t header_size = 32;
constexpr size_t line_max = 256 * 1024; ///< a longer line is shown in parts
constexpr std::string_view clear_line = "\x1b[0K";

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

/// Whether the line begins with a header of FF_TIMESTAMPS.
bool has_header(std::string_view line) {
  static constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd.ddddddZ xxcf";
  if (line.size() < header_size)
    return false;
  for (size_t i = 0; i < header_size; ++i) {
    char c = line[i];
    switch (shape[i]) {
      case 'd':
        if (!is_digit(c))
          return false;
        break;
      case 'x':
        if (std::isxdigit(static_cast<unsigned char>(c)) == 0)
          return false;
        break;
      case 'c':
        if (c != 'O' && c != 'E')
          return false;
        break;
      case 'f':
        if (c != ' ' && c != '+')
          return false;
        break;
      default:
        if (c != shape[i])
          return false;
    }
  }
  return true;
}

/// Takes section markers away; true if there were any.
bool drop_markers(std::string& line) {
  bool any = false;
  for (std::string_view word : {"section_start:", "section_end:"})
    for (;;) {
      auto at = line.find(word);
      auto end = at == std::string::npos ? at : line.find('\r', at);
      if (end == std::string::npos)
        break;
      ++end;
      if (std::string_view{line}.substr(end).starts_with(clear_line))
        end += clear_line.size();
      line.erase(at, end - at);
      any = true;
    }
  return any;
}

/// What a terminal would show after carriage returns: the last part.
void keep_last_part(std::string& line) {
  while (!line.empty() && line.back() == '\r')
    line.pop_back();
  if (auto at = line.rfind('\r'); at != std::string::npos)
    line.erase(0, at + 1);
}

} // namespace

std::string without_colours(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\x1b') {
      result += text[i];
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == '[')
      for (i += 2; i < text.size() && (text[i] < '@' || text[i] > '~');)
        ++i;
  }
  return result;
}

std::vector<std::string> trace_view::feed(std::string_view bytes) {
  std::vector<std::string> lines;
  rest_ += bytes;
  size_t from = 0;
  for (auto end = rest_.find('\n'); end != std::string::npos;
       end = rest_.find('\n', from)) {
    add(std::string_view{rest_}.substr(from, end - from), lines);
    from = end + 1;
  }
  rest_.erase(0, from);
  if (rest_.size() > line_max) {
    add(rest_, lines);
    rest_.clear();
  }
  return lines;
}

std::vector<std::string> trace_view::finish() {
  std::vector<std::string> lines;
  if (!rest_.empty())
    add(rest_, lines);
  rest_.clear();
  return lines;
}

void trace_view::add(std::string_view raw, std::vector<std::string>& to) {
  if (has_header(raw))
    raw.remove_prefix(header_size);
  std::string line{raw};
  bool marked = drop_markers(line);
  keep_last_part(line);
  auto plain = without_colours(line);
  if (plain.empty() && marked)
    return; // a marker alone on its line
  look_at(plain);
  to.push_back(colours_ ? std::move(line) : std::move(plain));
}

void trace_view::look_at(std::string_view line) {
  constexpr std::string_view begin = "Instance ";
  constexpr std::string_view end = " connected";
  if (instance_.empty() && line.starts_with(begin)) {
    auto stop = line.find(end);
    if (stop != std::string_view::npos && stop > begin.size())
      instance_ = line.substr(begin.size(), stop - begin.size());
  }
  if (instance_.empty() || !slot_.empty())
    return;
  auto at = line.find("slot");
  if (at == std::string_view::npos)
    return;
  auto rest = line.substr(at + 4);
  auto first = rest.find_first_not_of(" :=#");
  if (first == std::string_view::npos || first > 2)
    return;
  rest.remove_prefix(first);
  auto last = std::find_if_not(rest.begin(), rest.end(), is_digit);
  slot_.assign(rest.begin(), last);
}

} // namespace muster::gitlab
