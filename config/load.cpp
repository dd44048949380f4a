#include "config/load.hpp"

#include "config/check_keys.hpp"
#include "config/journal_name.hpp"
#include "config/keys.hpp"
#include "config/listen_address.hpp"
#include "config/log.hpp"
#include "config/places.hpp"
#include "config/readers.hpp"
#include "config/source.hpp"

#include <algorithm>
#include <exception>
#include <fmt/format.h>

namespace muster {

namespace {

using std::chrono::milliseconds;

constexpr int64_t concurrent_max = 1'000'000;
constexpr int64_t seconds_max = 1'000'000'000;
constexpr int64_t workers_max = 64;

milliseconds seconds(const section& file, std::string_view name,
                     int64_t fallback) {
  return std::chrono::seconds{
    file.count(name, {.fallback = fallback, .min = 1, .max = seconds_max})};
}

void read_concurrent(const section& file, config& into) {
  if (auto value = file.integer("concurrent", 1); value < 1)
    file.say(severity::fatal, "concurrent",
             fmt::format("concurrent = {} lets no job run: it must be at least "
                         "1",
                         value),
             "write concurrent = 1 or more");
  else
    into.concurrent
      = file.small_count("concurrent", {.fallback = 1, .max = concurrent_max});
}

void read_log(const section& file, config& into) {
  into.log_level = file.text("log_level", into.log_level);
  if (!log::is_level_name(into.log_level))
    file.say(severity::fatal, "log_level",
             fmt::format("unknown log_level {}", in_quotes(into.log_level)),
             "write debug, info, warning, error or fatal");
  into.log_format = file.text("log_format", into.log_format);
  if (!log::is_format_name(into.log_format))
    file.say(severity::fatal, "log_format",
             fmt::format("unknown log_format {}", in_quotes(into.log_format)),
             "write runner, text or json");
}

/// An address that is none: no metrics, and all the rest goes on.
void read_listen_address(const section& file, config& into) {
  auto text = file.text("listen_address");
  if (text.empty())
    return;
  if (auto parsed = parse_listen_address(text); !parsed)
    file.say(severity::error, "listen_address", parsed.error().text,
             "write listen_address = \":9252\", for example");
  else
    into.listen_address = std::move(text);
}

/// Unlike other durations zero is a value of its own: never.
milliseconds connection_max_age(const section& file, milliseconds fallback) {
  auto at = file.find("connection_max_age");
  auto value = at ? read_duration(*at.value) : std::nullopt;
  if (value && *value <= std::chrono::nanoseconds{0})
    return milliseconds{0};
  return file.duration("connection_max_age", fallback);
}

/// The smallest that still has room for some segments. [bytes]
constexpr int64_t recorder_size_min = 1 << 20;

void read_recorder(const section& at, recorder_config& into) {
  into.enabled = at.flag("enabled", true);
  into.dir = at.text("dir");
  if (!into.dir.empty() && into.dir.front() != '/')
    at.say(
      severity::fatal, "dir",
      fmt::format("dir must be an absolute path, not {}", in_quotes(into.dir)),
      "write dir = \"/...\"");
  into.age_max = at.duration("max_age", into.age_max);
  auto size = at.text("max_size");
  if (size.empty())
    return;
  auto bytes = parse_memory(size);
  if (!bytes || *bytes < 0) {
    at.say(severity::warning, "max_size",
           fmt::format("{} is no size: 256m is taken", in_quotes(size)),
           "write a number with a unit: \"64m\", \"2g\"");
  } else if (*bytes < recorder_size_min) {
    at.say(severity::warning, "max_size",
           fmt::format("{} is too small for a recording: 1m is taken",
                       in_quotes(size)));
    into.size_max = recorder_size_min;
  } else {
    into.size_max = *bytes;
  }
}

void read_muster(const section& at, const load_options& options,
                 muster_config& into) {
  into.workers
    = at.small_count("workers", {.fallback = 1, .min = 1, .max = workers_max});
  into.state_dir = at.text("state_dir");
  into.state_dir_is_given = !into.state_dir.empty();
  into.helper_path = at.text("helper_path");
  for (auto [name, path] : {std::pair{"state_dir", &into.state_dir},
                            std::pair{"helper_path", &into.helper_path}})
    if (!path->empty() && path->front() != '/')
      at.say(severity::fatal, name,
             fmt::format("{} must be an absolute path, not {}", name,
                         in_quotes(*path)),
             fmt::format("write {} = \"/...\"", name));
  if (into.state_dir.empty())
    into.state_dir = options.state_dir.empty() ? default_state_dir(this_host())
                                               : options.state_dir;
  read_recorder(at.child("recorder"), into.recorder);
}

/// One manager has one journal, of all its runners.
void take_state_folder(const std::vector<runner_entry>& runners,
                       muster_config& into) {
  std::string from = "[muster] state_dir";
  auto is_set = into.state_dir_is_given;
  for (const auto& [value, at] : runners) {
    if (!value.autoscaler || value.autoscaler->state_dir.empty())
      continue;
    const auto& wanted = value.autoscaler->state_dir;
    if (!is_set) {
      is_set = true;
      into.state_dir = wanted;
      from
        = fmt::format("state_storage of the runner {}", in_quotes(value.name));
    } else if (wanted != into.state_dir) {
      at.child("autoscaler")
        .child("state_storage")
        .say(severity::warning, "dir",
             fmt::format("dir = {} is not used: a manager has one state "
                         "folder, {}, which {} names",
                         in_quotes(wanted), in_quotes(into.state_dir), from),
             "remove the line");
    }
  }
}

void read_file(const toml::table& table, const load_options& options,
               report& out, loaded_config& loaded) {
  auto& into = loaded.value;
  section file{&table, "", out};
  read_concurrent(file, into);
  into.check_interval = seconds(file, "check_interval", 3);
  into.shutdown_timeout = seconds(file, "shutdown_timeout", 30);
  into.connection_max_age = connection_max_age(file, into.connection_max_age);
  read_log(file, into);
  read_listen_address(file, into);
  check_labels(file);
  read_muster(file.child("muster"), options, into.muster);
  auto labels = file.text_map("labels");
  std::vector<runner_entry> served;
  for (const auto& at : file.children("runners"))
    if (auto runner = read_runner(at, labels, options, out)) {
      served.push_back({std::move(*runner), at});
      check_runner_sense(served.back());
    } else {
      ++loaded.left_out;
    }
  check_file_sense(into, file, served);
  take_state_folder(served, into.muster);
  for (auto& runner : served)
    into.runners.push_back(std::move(runner.value));
  tell_apart(into.runners);
}

std::string trimmed_value(std::string_view text) {
  auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos)
    return "";
  auto end = text.find_first_of("#\r\n", begin);
  auto value = text.substr(begin, end - begin);
  return std::string{value.substr(0, value.find_last_not_of(" \t") + 1)};
}

bool at_end_of_line(std::string_view source, const toml::source_position& at) {
  for (auto line = at.line; line > 1; --line)
    source.remove_prefix(std::min(source.find('\n'), source.size() - 1) + 1);
  auto text = source.substr(0, source.find_first_of("\r\n"));
  auto characters = std::ranges::count_if(text, [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  });
  return static_cast<int64_t>(at.column) > characters;
}

/// What was probably meant where TOML could not be read.
std::string syntax_hint(std::string_view source,
                        const toml::source_position& at,
                        std::string_view words) {
  auto line = size_t{at.line};
  if (words.find("cannot redefine") != std::string_view::npos)
    return "it stands in the file twice: remove one of the two";
  if (begins_inside_string(source, line))
    return "this line is part of a string over several lines";
  if (words.find("control characters") != std::string_view::npos
      && at_end_of_line(source, at))
    return "the string is not closed on its line: write a quote behind it";
  for (; line > 1; --line)
    source.remove_prefix(std::min(source.find('\n'), source.size() - 1) + 1);
  auto text = source.substr(0, source.find('\n'));
  auto equals = text.find('=');
  if (equals == std::string_view::npos)
    return "write keys as name = value, tables as [name]";
  auto name = trimmed_value(text.substr(0, equals));
  auto value = trimmed_value(text.substr(equals + 1));
  if (value.empty())
    return fmt::format("{} has no value", in_quotes(name));
  bool bare = std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'
           || c == ':' || c == '/';
  });
  if (!bare)
    return "";
  if (value == "True" || value == "False" || value == "TRUE" || value == "FALSE"
      || value == "yes" || value == "no")
    return "true and false are written in small letters, without quotes";
  if (value.find_first_not_of("0123456789") == std::string::npos)
    return "a whole number has no zeros in front, and at most 18 digits";
  return may_hold_secret(name) ? "strings stand in quotes"
                               : fmt::format("strings stand in quotes: {} = {}",
                                             one_line(name), in_quotes(value));
}

/// The parser's words may quote the text; of a secret they must not.
std::string syntax_message(const diagnostic& where, std::string_view source,
                           std::string_view words) {
  auto shown = format_diagnostic(where, source);
  if (shown.find("<secret>") != std::string::npos) {
    // Up to where they may quote it.
    words = words.substr(0, std::min(words.find(", saw"), words.find('\'')));
    words = words.substr(0, words.find_last_not_of(" ,;:") + 1);
    return fmt::format("not valid TOML here: {}", words);
  }
  return fmt::format("not valid TOML: {}", one_line(words));
}

void report_syntax(const std::string& source, const toml::parse_error& error,
                   report& out, const std::string& path) {
  auto at = error.source().begin;
  diagnostic where{severity::fatal, path, at.line, at.column, "", "", ""};
  out.add(severity::fatal, at, "",
          syntax_message(where, source, error.description()),
          syntax_hint(source, at, error.description()));
}

bool passes(const report& out, check_mode mode) {
  switch (mode) {
    case check_mode::strict:
      return out.count(severity::warning) == 0;
    case check_mode::check:
      return out.count(severity::error) == 0;
    default:
      return out.count(severity::fatal) == 0;
  }
}

} // namespace

std::string recordings_folder(const muster_config& x) {
  return x.recorder.dir.empty() ? x.state_dir + "/recordings" : x.recorder.dir;
}

std::optional<toml::table> parse_toml(const std::string& source,
                                      const std::string& path, report& out) {
  if (auto fault = find_source_fault(source)) {
    out.add(severity::fatal,
            {static_cast<toml::source_index>(fault->line),
             static_cast<toml::source_index>(fault->column)},
            "", fault->message);
    return std::nullopt;
  }
  try {
    return toml::parse(source);
  } catch (const toml::parse_error& error) {
    report_syntax(source, error, out, path);
  } catch (const std::exception& error) {
    // Memory, mostly: nothing else is thrown by what is called.
    out.add(severity::fatal, {}, "",
            fmt::format("cannot be read: {}", error.what()));
  }
  return std::nullopt;
}

loaded_config read_table(const toml::table* file, const std::string& path,
                         const load_options& options, report& out) {
  loaded_config loaded;
  loaded.value.path = path;
  try {
    if (file != nullptr) {
      check_keys(*file, out);
      read_file(*file, options, out, loaded);
    }
  } catch (const std::exception& error) { // as above
    out.add(severity::fatal, {}, "",
            fmt::format("cannot be read: {}", error.what()));
  }
  loaded.passed = passes(out, options.mode);
  loaded.diagnostics = out.take();
  return loaded;
}

loaded_config parse_config(std::string text, const std::string& path,
                           const load_options& options) {
  report out{path};
  auto file = parse_toml(text, path, out);
  auto loaded = read_table(file ? &*file : nullptr, path, options, out);
  loaded.source = std::move(text);
  return loaded;
}

loaded_config load_config(const std::string& path,
                          const load_options& options) {
  auto kind = options.pipe_allowed ? source_kind::pipe : source_kind::file;
  if (auto source = read_source(path, kind))
    return parse_config(std::move(*source), path, options);
  else if (!options.missing_is_empty || !is_missing(path)) {
    loaded_config loaded;
    loaded.value.path = path;
    loaded.diagnostics.push_back(
      {severity::fatal, path, 0, 0, "", source.error().text, ""});
    return loaded;
  }
  auto loaded = parse_config("", path, options);
  loaded.diagnostics.push_back({severity::notice, path, 0, 0, "",
                                "there is no such file: no runner is served",
                                ""});
  return loaded;
}

} // namespace muster
