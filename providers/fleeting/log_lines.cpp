#include "providers/fleeting/log_lines.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace muster::fleeting {

namespace {

using nlohmann::json;

constexpr size_t line_max = 65'536;
constexpr size_t words_max = 500;
/// Of nesting, more than any logger writes: a parser recurses.
constexpr int64_t depth_max = 64;

std::optional<log::level> level_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, log::level>, 5> rows{{
    {"trace", log::level::trace},
    {"debug", log::level::debug},
    {"info", log::level::info},
    {"warn", log::level::warning},
    {"error", log::level::error},
  }};
  const auto* found = std::ranges::find(
    rows, name, &std::pair<std::string_view, log::level>::first);
  return found == rows.end() ? std::nullopt : std::optional{found->second};
}

std::string text_of(const json& value) {
  return value.is_string()
           ? value.get<std::string>()
           : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Brackets in strings count as well, which does no harm.
bool is_shallow(std::string_view text) {
  int64_t depth = 0;
  return std::ranges::none_of(text, [&depth](char c) {
    if (c == '{' || c == '[')
      ++depth;
    else if (c == '}' || c == ']')
      --depth;
    return depth > depth_max;
  });
}

std::optional<log_line> read_json(std::string_view text) {
  if (!text.starts_with('{') || !is_shallow(text))
    return std::nullopt;
  auto tree = json::parse(text, nullptr, false);
  if (!tree.is_object())
    return std::nullopt;
  auto named = tree.find("@level");
  auto at = named != tree.end() && named->is_string()
              ? level_named(named->get_ref<const std::string&>())
              : std::nullopt;
  if (!at)
    return std::nullopt;
  log_line out;
  out.at = *at;
  for (const auto& [key, value] : tree.items()) {
    if (key == "@message")
      out.message = text_of(value);
    else if (key == "@timestamp")
      out.fields.emplace_back("timestamp", text_of(value));
    else if (key == "@module" || key == "@caller")
      out.fields.emplace_back(key.substr(1), text_of(value));
    else if (key != "@level")
      out.fields.emplace_back(key, text_of(value));
  }
  return out;
}

std::optional<log_line> read_tagged(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, log::level>, 5> tags{{
    {"[TRACE]", log::level::trace},
    {"[DEBUG]", log::level::debug},
    {"[INFO]", log::level::info},
    {"[WARN]", log::level::warning},
    {"[ERROR]", log::level::error},
  }};
  for (const auto& [tag, at] : tags)
    if (text.starts_with(tag)) {
      text.remove_prefix(tag.size());
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      return log_line{at, std::string{text}, {}};
    }
  return std::nullopt;
}

} // namespace

log_line read_log_line(std::string_view text, bool& panicking) {
  if (auto structured = read_json(text))
    return *structured;
  if (auto tagged = read_tagged(text))
    return *tagged;
  if (text.starts_with("panic: ") || text.starts_with("fatal error: "))
    panicking = true;
  return {
    panicking ? log::level::error : log::level::debug, std::string{text}, {}};
}

void log_reader::take(std::string_view bytes) {
  while (!bytes.empty()) {
    auto end = bytes.find('\n');
    auto piece = bytes.substr(0, std::min(end, line_max - rest_.size()));
    rest_ += piece;
    bytes.remove_prefix(piece.size());
    auto ended = !bytes.empty() && bytes[0] == '\n';
    if (ended)
      bytes.remove_prefix(1);
    if (ended && !overlong_) {
      line(std::exchange(rest_, {}));
    } else if (ended || rest_.size() == line_max) {
      if (!rest_.empty())
        tell({log::level::debug, std::exchange(rest_, {}), {}});
      overlong_ = !ended;
    }
  }
}

void log_reader::finish() {
  if (!rest_.empty())
    line(std::exchange(rest_, {}));
}

void log_reader::line(std::string_view text) {
  if (text.ends_with('\r'))
    text.remove_suffix(1);
  if (!text.empty())
    tell(read_log_line(text, panicking_));
}

void log_reader::tell(log_line what) {
  // Lines of its logger below an error are routine; words to nobody are not.
  auto is_routine = !what.fields.empty() && what.at < log::level::error;
  if (!is_routine) {
    auto text = what.message;
    for (const auto& [key, value] : what.fields)
      if (key == "error" || key == "err")
        text += ": " + value;
    std::ranges::replace(text, '\n', ' ');
    last_words_ += (last_words_.empty() ? "" : "; ") + text;
    if (last_words_.size() > words_max)
      last_words_.erase(0, last_words_.size() - words_max);
  }
  sink_(what);
}

} // namespace muster::fleeting
