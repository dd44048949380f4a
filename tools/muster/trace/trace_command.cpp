#include "tools/muster/trace/trace_command.hpp"

#include "actors/recorder/reader.hpp"
#include "actors/recorder/words.hpp"
#include "config/load.hpp"
#include "tools/muster/moment.hpp"
#include "tools/muster/terminal.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <set>
#include <vector>

namespace muster {

namespace {

std::string time_text(int64_t unix_us) {
  unix_us = std::max<int64_t>(unix_us, 0);
  auto seconds = static_cast<time_t>(unix_us / 1'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32] = {};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}Z", text, unix_us % 1'000'000);
}

bool contains_folded(const std::string& text, const std::string& part) {
  auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a))
           == std::tolower(static_cast<unsigned char>(b));
  };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same)
         != text.end();
}

/// `instance` of `runner:a/group/instance:i-1`.
std::string kind_of_role(const player& x) {
  if (x.role.empty())
    return "-";
  auto begin = x.role.rfind('/');
  auto last = x.role.substr(begin == std::string::npos ? 0 : begin + 1);
  return last.substr(0, last.find(':'));
}

/// What `stat` counts.
struct totals {
  std::map<std::string, uint64_t> kinds;
  std::map<std::string, uint64_t> types;
  std::map<std::string, uint64_t> roles;
  std::set<std::string> runs;
  std::set<std::string> files;
  uint64_t records = 0;
  uint64_t inputs = 0;
  uint64_t unreadable = 0;
  uint64_t gaps = 0;
  uint64_t missing = 0;
  int64_t first_us = 0;
  int64_t last_us = 0;

  void add(const record& x) {
    if (x.kind == record_kind::gap) {
      ++gaps;
      missing += x.missing;
      return;
    }
    ++kinds[to_string(x.kind)];
    if (x.number == 0 || x.kind == record_kind::state)
      return; // of a snapshot
    ++records;
    inputs += x.is_input ? 1 : 0;
    unreadable += x.problem.empty() ? 0 : 1;
    if (!x.type.empty())
      ++types[x.type];
    if (x.to.number != 0)
      ++roles[kind_of_role(x.to)];
    first_us = first_us == 0 ? x.unix_us : std::min(first_us, x.unix_us);
    last_us = std::max(last_us, x.unix_us);
  }
};

void print_table(const char* title,
                 const std::map<std::string, uint64_t>& counts) {
  std::vector<std::pair<std::string, uint64_t>> rows{counts.begin(),
                                                     counts.end()};
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.second > b.second;
  });
  std::printf("\n%s\n", title);
  for (const auto& [name, count] : rows)
    std::printf("%10llu  %s\n", static_cast<unsigned long long>(count),
                printable(name).c_str());
}

nlohmann::ordered_json json_of(const totals& x, uintmax_t bytes,
                               const recording_reader& reader) {
  nlohmann::ordered_json out;
  out["files"] = x.files.size();
  out["bytes"] = bytes;
  out["runs"] = x.runs;
  out["first"] = time_text(x.first_us);
  out["last"] = time_text(x.last_us);
  out["records"] = x.records;
  out["inputs"] = x.inputs;
  out["unreadable"] = x.unreadable;
  out["gaps"] = x.gaps;
  out["missing"] = x.missing;
  out["cut_off"] = reader.cut_off();
  out["problems"] = reader.problems();
  out["kinds"] = x.kinds;
  out["types"] = x.types;
  out["roles"] = x.roles;
  return out;
}

} // namespace

namespace {

/// To open a pipe or a device could wait for ever.
std::optional<std::string> problem_with(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code none;
  auto status = fs::status(path, none);
  if (fs::is_regular_file(status) || !fs::exists(status))
    return std::nullopt;
  if (!fs::is_directory(status))
    return path + ": it is neither a file nor a folder";
  for (fs::directory_iterator at{path, none}, end; !none && at != end;
       at.increment(none))
    if (at->path().extension() == ".rec")
      if (!at->is_regular_file(none))
        return at->path().string() + ": it is no file";
  return std::nullopt;
}

result<recording_reader, journal_errc> open_files(const std::string& path,
                                                  snapshots wanted) {
  if (auto problem = problem_with(path))
    return fail(journal_errc::not_readable, *problem);
  return recording_reader::open(path, wanted);
}

} // namespace

result<recording_reader, journal_errc>
open_recordings(const std::string& path, const std::string& config_path,
                snapshots wanted) {
  if (!path.empty())
    return open_files(path, wanted);
  auto loaded = load_config(config_path);
  auto fatal = std::ranges::find_if(loaded.diagnostics, [](const auto& x) {
    return x.level == severity::fatal;
  });
  if (fatal != loaded.diagnostics.end())
    return fail(journal_errc::not_readable, headline(*fatal));
  auto opened = open_files(recordings_folder(loaded.value.muster), wanted);
  if (!opened)
    return fail(journal_errc::not_readable,
                opened.error().text
                  + "; muster run records there unless [muster] recorder says "
                    "otherwise, see docs/recorder.md");
  return opened;
}

std::string line_of(const record& x) {
  auto out = time_text(x.unix_us) + " ";
  auto words = words_of(x);
  switch (x.kind) {
    case record_kind::gap:
      out += "-- " + words + " --";
      break;
    case record_kind::born:
      out += to_string(x.to) + " begins";
      break;
    case record_kind::ended:
      out += to_string(x.to) + " ends: " + words;
      break;
    case record_kind::note:
      out
        += (x.to.number == 0 ? "muster" : to_string(x.to)) + " notes: " + words;
      break;
    case record_kind::state:
      out += to_string(x.to) + " is there: " + words;
      break;
    case record_kind::handled:
    case record_kind::sent:
      out += x.is_timer ? "clock" : to_string(x.from);
      out += x.is_input ? " => " : " -> ";
      out += to_string(x.to) + " " + words;
      break;
  }
  return printable(out);
}

bool is_wanted(const record& x, const std::string& line,
               const record_filter& filter) {
  auto has_role = [&filter](const player& who) {
    return to_string(who).find(filter.role) != std::string::npos;
  };
  return (filter.role.empty() || has_role(x.from) || has_role(x.to))
         && (filter.type.empty() || x.type == filter.type)
         && (!filter.inputs || x.is_input)
         && (!filter.since_us || x.unix_us >= *filter.since_us)
         && (!filter.until_us || x.unix_us < *filter.until_us)
         && (filter.text.empty() || contains_folded(line, filter.text));
}

void trace_commands::add_to(CLI::App& app, int& status,
                            const std::string& config_path) {
  config_path_ = config_path;
  auto* group = app.add_subcommand(
    "trace", "Show what a manager has recorded; also: replay");
  group->require_subcommand(1);
  auto add_place = [this](CLI::App* to) {
    to->add_option("place", path_,
                   "A recording or their folder (the configured one)")
      ->type_name("FILE|DIR");
    to->add_option("-c,--config", config_path_,
                   "Configuration (" + config_path_ + ")")
      ->type_name("FILE")
      ->envname("CONFIG_FILE");
    to->add_flag("--json", json_, "For programs");
  };
  auto check_moment = [](const std::string& x) {
    auto moment = parse_moment(x);
    return moment ? std::string{} : moment.error().text;
  };
  auto add_filter = [&](CLI::App* to) {
    to->add_option("--since", since_,
                   "Like 90m, or 2026-11-28T21:30[:05] (UTC)")
      ->type_name("TIME")
      ->check(check_moment);
    to->add_option("--until", until_, "The same")
      ->type_name("TIME")
      ->check(check_moment);
    to->add_option("--role", filter_.role,
                   "Part of who sends or is told: group, job:17")
      ->type_name("ROLE");
    to->add_option("--type", filter_.type, "Of the message: acquire")
      ->type_name("TYPE");
    to->add_flag("--inputs", filter_.inputs, "Only what comes from outside");
    to->add_flag("--states", snapshots_,
                 "The states that each file begins with, too");
  };
  auto* cat_command = group->add_subcommand("cat", "A line for each record");
  add_place(cat_command);
  add_filter(cat_command);
  cat_command->callback([this, &status] { cat(status); });
  auto* grep_command
    = group->add_subcommand("grep", "The lines that have a text");
  grep_command
    ->add_option("text", filter_.text,
                 "A key, a number, a word: in any case of letters")
    ->type_name("TEXT")
    ->required();
  add_place(grep_command);
  add_filter(grep_command);
  grep_command->footer("Exit status: 0; 1 if there is none, 2 if nothing can "
                       "be read.");
  grep_command->callback([this, &status] { cat(status); });
  auto* stat_command = group->add_subcommand(
    "stat", "How much there is, of what, and what is missing");
  add_place(stat_command);
  stat_command->callback([this, &status] { stat(status); });
}

void trace_commands::cat(int& status) const {
  auto reader = open_recordings(path_, config_path_,
                                snapshots_ ? snapshots::all : snapshots::first);
  if (!reader) {
    complain(reader.error().text);
    status = 2;
    return;
  }
  auto filter = filter_;
  if (!since_.empty())
    filter.since_us = *parse_moment(since_);
  if (!until_.empty())
    filter.until_us = *parse_moment(until_);
  record x;
  bool is_any = false;
  while (reader->next(x)) {
    auto line = line_of(x);
    if (!is_wanted(x, line, filter))
      continue;
    is_any = true;
    if (json_)
      line = muster::json_of(x).dump(
        -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), stdout);
  }
  for (const auto& problem : reader->problems())
    complain(problem);
  status = after_output(is_any || filter.text.empty() ? 0 : 1);
}

void trace_commands::stat(int& status) const {
  auto reader = open_recordings(path_, config_path_);
  if (!reader) {
    complain(reader.error().text);
    status = 2;
    return;
  }
  totals all;
  uintmax_t bytes = 0;
  record x;
  while (reader->next(x)) {
    all.add(x);
    if (all.files.insert(reader->file()).second) {
      std::error_code none;
      bytes += std::filesystem::file_size(reader->file(), none);
      all.runs.insert(reader->head().run_id);
    }
  }
  if (json_) {
    auto text = json_of(all, bytes, *reader)
                  .dump(2, ' ', false,
                        nlohmann::ordered_json::error_handler_t::replace);
    std::printf("%s\n", text.c_str());
    status = after_output(0);
    return;
  }
  auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf("%llu records of %llu runs in %llu files, %.1f MB\n",
              number(all.records), number(all.runs.size()),
              number(all.files.size()), static_cast<double>(bytes) / 1e6);
  std::printf("from %s to %s\n", time_text(all.first_us).c_str(),
              time_text(all.last_us).c_str());
  std::printf("%llu inputs; %llu gaps, %llu records missing; %llu records "
              "cannot be read\n",
              number(all.inputs), number(all.gaps), number(all.missing),
              number(all.unreadable));
  if (reader->cut_off() > 0)
    std::printf("%llu files end within a record: their managers were ended "
                "so\n",
                number(reader->cut_off()));
  print_table("by kind", all.kinds);
  print_table("by type", all.types);
  print_table("by role", all.roles);
  for (const auto& problem : reader->problems())
    complain(problem);
  status = after_output(0);
}

} // namespace muster
