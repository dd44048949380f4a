#include "config/log.hpp"

#include "config/syslog.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <ctime>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <syslog.h>
#include <unistd.h>

namespace muster::log {

namespace {

enum class line_format { runner, text, json };

std::string lower(std::string_view text) {
  std::string into{text};
  std::ranges::transform(into, into.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return into;
}

std::optional<level> level_named(std::string_view name) {
  struct row {
    std::string_view name;
    level at;
  };
  constexpr std::array rows{
    row{"trace", level::trace},  row{"debug", level::debug},
    row{"info", level::info},    row{"warning", level::warning},
    row{"warn", level::warning}, row{"error", level::error},
    row{"fatal", level::fatal},  row{"panic", level::fatal},
  };
  auto wanted = lower(name);
  const auto* found = std::ranges::find(rows, wanted, &row::name);
  return found == rows.end() ? std::nullopt : std::optional{found->at};
}

std::optional<line_format> format_named(std::string_view name) {
  if (name == "runner")
    return line_format::runner;
  if (name == "text")
    return line_format::text;
  if (name == "json")
    return line_format::json;
  return std::nullopt;
}

std::string_view name_of(level at) {
  constexpr std::array<std::string_view, 6> names{"trace",   "debug", "info",
                                                  "warning", "error", "fatal"};
  return names.at(static_cast<size_t>(at));
}

using line_counts = std::array<std::atomic<int64_t>, 6>;

line_counts& lines_written() {
  static line_counts counts{};
  return counts;
}

fields sorted(const fields& with) {
  auto copy = with;
  std::ranges::stable_sort(copy, {}, &field::first);
  return copy;
}

/// Text from elsewhere must not move the cursor, colour the terminal or, in a
/// field, begin a line that looks like one of ours.
std::string printable(std::string_view text, bool lines_allowed) {
  std::string into;
  into.reserve(text.size());
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte != 0x7f)
        || (lines_allowed && (c == '\n' || c == '\t')))
      into += c;
    else if (c == '\n')
      into += "\\n";
    else if (c == '\t')
      into += "\\t";
    else
      into += fmt::format("\\x{:02x}", byte);
  }
  return into;
}

/// Characters of UTF-8 text, as Go counts them when it pads.
size_t width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(std::string text, size_t columns) {
  if (auto have = width(text); have < columns)
    text.append(columns - have, ' ');
  return text;
}

/// How the `runner` format begins a line.
struct look {
  std::string_view color;
  std::string_view prefix;
};

look look_of(level at) {
  switch (at) {
    case level::debug:
      return {"\033[37;1m", ""};
    case level::warning:
      return {"\033[0;33m", "WARNING: "};
    case level::error:
      return {"\033[31;1m", "ERROR: "};
    case level::fatal:
      return {"\033[31;1m", "FATAL: "};
    default:
      return {"", ""};
  }
}

std::string runner_line(level at, std::string_view message,
                        const fields& with) {
  constexpr size_t columns = 50;
  constexpr std::string_view reset = "\033[0;m";
  auto [color, prefix] = look_of(at);
  auto line = fmt::format(
    "{}{}{}{} ", color, prefix,
    padded(printable(message, true), columns - prefix.size()), reset);
  for (const auto& [key, value] : sorted(with))
    line
      += fmt::format(" {}{}{}={}", color, key, reset, printable(value, false));
  return line;
}

/// A Go string literal where one is needed, else the text as it is.
std::string quoted_if_needed(std::string_view text) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9')
           || std::string_view{"-._/@^+"}.find(c) != std::string_view::npos;
  };
  if (std::ranges::all_of(text, plain))
    return std::string{text};
  std::string into = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      into += '\\';
    if (c == '\r')
      into += "\\r";
    else
      into += printable(std::string_view{&c, 1}, false);
  }
  return into + '"';
}

/// RFC 3339 in UTC, as many digits of the second as it has.
std::string time_text(int64_t at_ns) {
  constexpr int64_t second = 1'000'000'000;
  auto whole = at_ns / second - (at_ns % second < 0 ? 1 : 0);
  auto rest = at_ns - whole * second;
  std::tm parts{};
  auto unix_time = static_cast<time_t>(whole);
  gmtime_r(&unix_time, &parts);
  auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                          parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                          parts.tm_hour, parts.tm_min, parts.tm_sec);
  if (rest != 0) {
    auto digits = fmt::format("{:09}", rest);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += '.' + digits;
  }
  return text + 'Z';
}

bool is_ours(std::string_view key) {
  return key == "time" || key == "level" || key == "msg";
}

/// A field that bears the name of one of the line's own parts is renamed, as
/// GitLab Runner's logger does.
std::string field_key(const std::string& key) {
  return is_ours(key) ? "fields." + key : key;
}

std::string text_line(level at, std::string_view message, const fields& with,
                      int64_t at_ns) {
  auto line
    = fmt::format("time=\"{}\" level={}", time_text(at_ns), name_of(at));
  if (!message.empty())
    line += " msg=" + quoted_if_needed(message);
  for (const auto& [key, value] : sorted(with))
    line += fmt::format(" {}={}", field_key(key), quoted_if_needed(value));
  return line;
}

/// Fields with numbers; those of GitLab Runner among them are numbers there.
bool is_number_field(std::string_view key) {
  constexpr std::array<std::string_view, 21> keys{"amount",
                                                  "builds",
                                                  "duration_s",
                                                  "exit_code",
                                                  "failures",
                                                  "gitlab_user_id",
                                                  "job",
                                                  "max_builds",
                                                  "missed_updates",
                                                  "namespace_id",
                                                  "num_requested",
                                                  "num_successful",
                                                  "organization_id",
                                                  "pid",
                                                  "pipeline_id",
                                                  "project",
                                                  "required",
                                                  "root_namespace_id",
                                                  "slot",
                                                  "status",
                                                  "used"};
  return std::ranges::find(keys, key) != keys.end();
}

nlohmann::json json_value(std::string_view key, const std::string& text) {
  const auto* end = text.data() + text.size();
  if (is_number_field(key)) {
    int64_t integer = 0;
    if (auto [stop, error] = std::from_chars(text.data(), end, integer);
        error == std::errc{} && stop == end)
      return integer;
    double number = 0;
    if (auto [stop, error] = std::from_chars(text.data(), end, number);
        error == std::errc{} && stop == end && std::isfinite(number))
      return number;
  }
  return text;
}

std::string json_line(level at, std::string_view message, const fields& with,
                      int64_t at_ns) {
  nlohmann::json line; // its keys are sorted, as GitLab Runner's
  for (const auto& [key, value] : with)
    line[field_key(key)] = json_value(key, value);
  line["level"] = name_of(at);
  line["msg"] = message;
  line["time"] = time_text(at_ns);
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string formatted(line_format format, level at, std::string_view message,
                      const fields& with, int64_t at_ns) {
  switch (format) {
    case line_format::text:
      return text_line(at, message, with, at_ns);
    case line_format::json:
      return json_line(at, message, with, at_ns);
    default:
      return runner_line(at, message, with);
  }
}

/// The one place through which lines leave. It is never destroyed: threads may
/// write until the very end of the process.
struct output {
  std::atomic<level> threshold{level::info};
  std::atomic<line_format> format{line_format::runner};
  std::atomic<bool> syslog{false};
  bool terminal = isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point begin
    = std::chrono::steady_clock::now();
  spdlog::logger logger{"muster",
                        std::make_shared<spdlog::sinks::stderr_sink_mt>()};

  output() {
    logger.set_level(spdlog::level::trace);
    logger.set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
  }
};

output& the_output() {
  static auto* one = new output;
  return *one;
}

int priority_of(level at) {
  switch (at) {
    case level::warning:
      return LOG_WARNING;
    case level::error:
      return LOG_ERR;
    case level::fatal:
      return LOG_CRIT;
    default:
      return LOG_INFO;
  }
}

/// The logger adds time and level itself.
std::string syslog_line(std::string_view message, const fields& with) {
  auto line = printable(message, false);
  for (const auto& [key, value] : sorted(with))
    line += fmt::format(" {}={}", key, quoted_if_needed(value));
  return line;
}

int64_t unix_time_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

std::string current_line(const output& out, level at, std::string_view message,
                         const fields& with) {
  auto format = out.format.load();
  if (format == line_format::text && out.terminal) {
    auto since = std::chrono::steady_clock::now() - out.begin;
    return format_terminal_line(
      at, message, with,
      std::chrono::duration_cast<std::chrono::seconds>(since).count());
  }
  return formatted(format, at, message, with, unix_time_ns());
}

} // namespace

bool is_level_name(std::string_view text) {
  return level_named(text).has_value();
}

bool is_format_name(std::string_view text) {
  return format_named(text).has_value();
}

bool configure(std::string_view level_name, std::string_view format) {
  auto threshold = level_named(level_name);
  auto wanted = format_named(format);
  if (!threshold || !wanted)
    return false;
  the_output().threshold = *threshold;
  the_output().format = *wanted;
  return true;
}

void also_to_syslog(const char* name) {
  ::openlog(name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
  the_output().syslog = true;
}

bool enabled(level at) {
  const auto& out = the_output();
  return at >= out.threshold.load() || (out.syslog && at >= level::info);
}

int64_t written(level at) {
  return lines_written().at(static_cast<size_t>(at));
}

void write(level at, std::string_view message, const fields& with) {
  auto& out = the_output();
  if (out.syslog && at >= level::info)
    ::syslog(priority_of(at), "%s", syslog_line(message, with).c_str());
  if (at < out.threshold.load())
    return;
  lines_written().at(static_cast<size_t>(at)) += 1;
  auto line = current_line(out, at, message, with);
  out.logger.log(spdlog::level::info,
                 spdlog::string_view_t{line.data(), line.size()});
}

std::string format_line(std::string_view format, level at,
                        std::string_view message, const fields& with,
                        int64_t at_ns) {
  return formatted(format_named(format).value_or(line_format::runner), at,
                   message, with, at_ns);
}

std::string format_terminal_line(level at, std::string_view message,
                                 const fields& with, int64_t seconds) {
  auto color = at >= level::error     ? 31
               : at == level::warning ? 33
               : at == level::info    ? 36
                                      : 37;
  std::string name{name_of(at).substr(0, 4)};
  std::ranges::transform(name, name.begin(), [](char c) {
    return static_cast<char>(c - ('a' - 'A'));
  });
  auto line = fmt::format("\033[{}m{}\033[0m[{:04}] {} ", color, name, seconds,
                          padded(printable(message, true), 44));
  for (const auto& [key, value] : sorted(with))
    line += fmt::format(" \033[{}m{}\033[0m={}", color, field_key(key),
                        quoted_if_needed(value));
  return line;
}

} // namespace muster::log
