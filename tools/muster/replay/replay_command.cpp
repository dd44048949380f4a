#include "tools/muster/replay/replay_command.hpp"

#include "actors/group/words.hpp"
#include "actors/recorder/read_ahead.hpp"
#include "actors/recorder/reader.hpp"
#include "actors/recorder/words.hpp"
#include "actors/replay/normal_text.hpp"
#include "actors/replay/replay.hpp"
#include "actors/replay/roles.hpp"
#include "config/log.hpp"
#include "messages/recording.hpp"
#include "tools/muster/moment.hpp"
#include "tools/muster/terminal.hpp"
#include "tools/muster/trace/trace_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

namespace {

/// How far to go: to a record, or to a time.
struct limit {
  std::optional<uint64_t> number;
  std::optional<int64_t> unix_us;

  bool is_past(const record& x) const {
    return (number && x.number > *number) || (unix_us && x.unix_us >= *unix_us);
  }
};

result<limit, config_errc> parse_limit(const std::string& text) {
  limit out;
  if (text.empty())
    return out;
  uint64_t number = 0;
  auto end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, number);
  if (read.ec == std::errc{} && read.ptr == end) {
    out.number = number;
    return out;
  }
  auto moment = parse_moment(text);
  if (!moment)
    return fail(
      config_errc::not_valid,
      fmt::format("{}, nor the number of a record", moment.error().text));
  out.unix_us = *moment;
  return out;
}

/// How many runners and jobs.
std::pair<size_t, size_t> played(const replay_report& x) {
  auto is_job = [](const std::string& role) {
    return role.find("/job:") != std::string::npos;
  };
  auto jobs = static_cast<size_t>(std::ranges::count_if(x.played, is_job));
  return {x.played.size() - jobs, jobs};
}

/// `1 runner and 150 jobs were`.
std::string played_text(const replay_report& x) {
  auto [runners, jobs] = played(x);
  std::vector<std::string> parts;
  if (runners > 0)
    parts.push_back(
      counted(static_cast<int64_t>(runners), "runner", "runners"));
  if (jobs > 0)
    parts.push_back(counted(static_cast<int64_t>(jobs), "job", "jobs"));
  return fmt::format("{} {}", fmt::join(parts, " and "),
                     x.played.size() == 1 ? "was" : "were");
}

void print_line(const std::string& text) {
  std::printf("%s\n", text.c_str());
}

nlohmann::ordered_json json_of(const replay_report& x, double seconds) {
  nlohmann::ordered_json out;
  out["records"] = x.records;
  out["handled"] = x.handled;
  out["compared"] = x.compared;
  out["actors"] = x.actors;
  out["restarts"] = x.restarts;
  out["skipped"] = x.skipped;
  out["span_s"] = std::chrono::duration<double>(x.span).count();
  out["took_s"] = seconds;
  auto [runners, jobs] = played(x);
  out["runners_not_checked"] = runners;
  out["jobs_not_checked"] = jobs;
  out["remarks"] = x.remarks;
  out["diverged"] = nullptr;
  if (x.diverged)
    out["diverged"]
      = {{"record", x.diverged->at.number},  {"line", line_of(x.diverged->at)},
         {"actor", x.diverged->actor},       {"recorded", x.diverged->recorded},
         {"replayed", x.diverged->replayed}, {"state", x.diverged->state}};
  return out;
}

std::string or_nothing(const std::string& x) {
  return x.empty() ? "nothing" : printable(x);
}

void print(const replay_report& x, double seconds) {
  auto span = std::chrono::duration<double>(x.span).count();
  print_line(
    fmt::format("{} records over {:.1f} s replayed in {:.2f} s, {:.0f} "
                "times as fast as it happened",
                x.records, span, seconds, seconds > 0 ? span / seconds : 0));
  print_line(fmt::format("{} ran again and handled {}; {} of what they sent, "
                         "set and remarked is as recorded",
                         counted(x.actors, "actor", "actors"),
                         counted(x.handled, "message", "messages"),
                         x.compared));
  for (const auto& remark : x.remarks)
    print_line("note: " + printable(remark));
  if (!x.played.empty())
    print_line(fmt::format("note: {} played by the recording, wholly or from a "
                           "gap on: what was decided there is not checked",
                           played_text(x)));
  if (!x.diverged) {
    if (x.compared > 0)
      print_line("no divergence");
    return;
  }
  const auto& y = *x.diverged;
  print_line(
    fmt::format("\nDIVERGENCE at record {}: {}", y.at.number, line_of(y.at)));
  print_line("  actor     " + printable(y.actor));
  print_line("  recorded  " + or_nothing(y.recorded));
  print_line("  replayed  " + or_nothing(y.replayed));
  if (!y.state.empty())
    print_line("  state     " + printable(y.state));
}

bool is_at_or_below(std::string_view role, std::string_view one) {
  return role.starts_with(one)
         && (role.size() == one.size() || role[one.size()] == '/');
}

/// Runners, their groups and coordinators by name; of jobs and instances, how
/// many.
std::string list_of(const std::set<std::string>& roles) {
  constexpr size_t listed_max = 8;
  std::vector<std::string> listed;
  std::map<std::string, std::vector<std::string>> many;
  for (const auto& x : roles)
    switch (part_of(x)) {
      case part::runner:
      case part::coordinator:
      case part::group:
        listed.push_back(x);
        break;
      case part::job:
        many["jobs"].push_back(x);
        break;
      case part::instance:
        many["instances"].push_back(x);
        break;
      default: // below one of these
        break;
    }
  if (listed.size() > listed_max) {
    auto more = listed.size() - listed_max;
    listed.resize(listed_max);
    listed.push_back(
      fmt::format("{} more runners, coordinators and groups", more));
  }
  for (const auto& [name, all] : many)
    listed.push_back(fmt::format("{} {} like {}", all.size(), name, all[0]));
  return listed.empty() ? "nobody" : fmt::format("{}", fmt::join(listed, ", "));
}

bool is_any_at_or_below(const std::set<std::string>& roles,
                        const std::string& one) {
  return std::ranges::any_of(
    roles, [&one](const auto& x) { return is_at_or_below(x, one); });
}

int complain_of(const std::string& text) {
  complain(text);
  return 2;
}

/// One of two recordings that are compared.
struct side {
  recording_reader from;
  record at = {};
  std::string run_id = {}; ///< of the run there
};

/// The next record that two recordings can be compared by: what somebody did,
/// not when.
bool next_deed(side& x, const std::string& role, const limit& until) {
  auto concerns
    = [&role](const player& who) { return is_at_or_below(who.role, role); };
  while (x.from.next(x.at)) {
    if (until.is_past(x.at))
      return false;
    x.run_id = x.from.head().run_id;
    auto is_deed = x.at.kind == record_kind::handled
                   || x.at.kind == record_kind::sent
                   || x.at.kind == record_kind::note;
    if (is_deed && !x.at.what.match_elements<run_begun>()
        && (role.empty() || concerns(x.at.to) || concerns(x.at.from)))
      return true;
  }
  return false;
}

/// Ids of runs are a part of keys, and of remarks.
std::string without_run_id(std::string text, const std::string& id) {
  if (id.empty())
    return text;
  for (auto at = text.find(id); at != std::string::npos;
       at = text.find(id, at + 1))
    text.replace(at, id.size(), "R");
  return text;
}

std::string deed_text(const side& x) {
  const auto& at = x.at;
  return without_run_id(
    fmt::format("{} {} -> {} {}", to_string(at.kind), to_string(at.from),
                to_string(at.to),
                at.what.empty() ? at.type : normal_text(at.what.content())),
    x.run_id);
}

} // namespace

void replay_command::add_to(CLI::App& app, int& status,
                            const std::string& config_path) {
  config_path_ = config_path;
  auto* to = app.add_subcommand("replay",
                                "Run a recording again, check each decision");
  to->add_option("place", path_,
                 "A recording, or a folder of them (as configured)")
    ->type_name("FILE|DIR");
  to->add_option("-c,--config", config_path_,
                 "Configuration (" + config_path_ + ")")
    ->type_name("FILE")
    ->envname("CONFIG_FILE");
  to->add_option("--until", until_,
                 "Stop after record N, or at 2026-11-28T21:30 (UTC)")
    ->type_name("N|TIME")
    ->check([](const std::string& x) {
      auto read = parse_limit(x);
      return read ? std::string{} : read.error().text;
    });
  to->add_option("--actor", role_, "Only what this one and those below decide")
    ->type_name("ROLE");
  to->add_option("--diff", other_,
                 "Run nothing: tell where another recording differs")
    ->type_name("FILE|DIR");
  to->add_flag("--json", json_, "For programs");
  to->footer("Exit status: 0; 1 if something came out otherwise, 2 if nothing "
             "can be read\nor compared.");
  to->callback([this, &status] {
    status = after_output(other_.empty() ? run() : compare());
  });
}

int replay_command::run() const {
  auto reader = open_recordings(path_, config_path_);
  if (!reader)
    return complain_of(reader.error().text);
  log::configure("panic", "text"); // what actors say was said when it happened
  auto until = *parse_limit(until_);
  auto begun = std::chrono::steady_clock::now();
  replay again{{role_}};
  read_ahead records{std::move(*reader)};
  record next;
  record last;
  std::set<std::string> there;
  while (records.next(next) && !until.is_past(next)) {
    std::swap(next, last);
    for (const auto* who : {&last.from, &last.to})
      if (!role_.empty() && !who->role.empty())
        there.insert(who->role);
    if (!again.take(last))
      break;
  }
  again.end_at(last);
  auto took = std::chrono::steady_clock::now() - begun;
  const auto& report = again.report();
  for (const auto& problem : records.stop().problems())
    complain(problem);
  if (report.records == 0)
    return complain_of("the recording has no record"
                       + (until_.empty() ? "" : " before " + until_));
  if (!role_.empty() && !report.diverged
      && !is_any_at_or_below(report.ran, role_))
    return complain_of(
      fmt::format("nothing was compared: {}; there are: {}",
                  is_any_at_or_below(there, role_)
                    ? role_
                        + " is played by the recording, and does not run "
                          "again"
                    : "nobody in the recording is " + role_,
                  list_of(report.ran)));
  auto seconds = std::chrono::duration<double>(took).count();
  if (json_)
    print_line(
      json_of(report, seconds)
        .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  else
    print(report, seconds);
  if (report.diverged)
    return 1;
  if (report.compared == 0)
    return complain_of(
      fmt::format("nothing was compared: none of the {} is of something that "
                  "somebody who runs again has sent, set or remarked",
                  counted(report.records, "record", "records")));
  return 0;
}

int replay_command::compare() const {
  auto one = open_recordings(path_, config_path_);
  auto other = open_recordings(other_, config_path_);
  for (const auto* x : {&one, &other})
    if (!*x)
      return complain_of(x->error().text);
  auto until = *parse_limit(until_);
  uint64_t equal = 0;
  side a{std::move(*one)};
  side b{std::move(*other)};
  bool has_a = false;
  bool has_b = false;
  for (;; ++equal) {
    has_a = next_deed(a, role_, until);
    has_b = next_deed(b, role_, until);
    if (!has_a || !has_b || deed_text(a) != deed_text(b))
      break;
  }
  for (const auto* x : {&a, &b})
    for (const auto& problem : x->from.problems())
      complain(problem);
  auto differs = has_a || has_b;
  if (equal == 0 && !differs)
    return complain_of(
      fmt::format("nothing was compared: neither recording has a message or a "
                  "remark{}{}",
                  role_.empty() ? "" : " of " + role_,
                  until_.empty() ? "" : " before " + until_));
  if (json_) {
    nlohmann::ordered_json out;
    out["equal"] = equal;
    out["differs"] = differs;
    out["one"] = has_a ? json_of(a.at) : nlohmann::ordered_json{};
    out["other"] = has_b ? json_of(b.at) : nlohmann::ordered_json{};
    print_line(out.dump(2, ' ', false,
                        nlohmann::ordered_json::error_handler_t::replace));
    return differs ? 1 : 0;
  }
  print_line(fmt::format("{} {} equal{}", counted(equal, "record", "records"),
                         equal == 1 ? "is" : "are", differs ? ", then" : ""));
  if (differs)
    for (const auto& text : {has_a ? line_of(a.at) : "(the end)",
                             has_b ? line_of(b.at) : "(the end)"})
      print_line("  " + text);
  print_line("not compared: times, ids of runs, versions, numbers of secrets");
  return differs ? 1 : 0;
}

} // namespace muster
