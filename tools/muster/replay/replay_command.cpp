#include "tools/muster/replay/replay_command.hpp"

#include "actors/recorder/reader.hpp"
#include "actors/recorder/words.hpp"
#include "actors/replay/normal_text.hpp"
#include "actors/replay/replay.hpp"
#include "config/log.hpp"
#include "tools/muster/trace/trace_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <string_view>
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

std::optional<limit> parse_limit(const std::string& text) {
  limit out;
  uint64_t number = 0;
  auto end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, number);
  if (read.ec == std::errc{} && read.ptr == end)
    out.number = number;
  else if (auto moment = parse_moment(text))
    out.unix_us = moment;
  else if (!text.empty())
    return std::nullopt;
  return out;
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
  return x.empty() ? "nothing" : x;
}

void print(const replay_report& x, double seconds) {
  auto span = std::chrono::duration<double>(x.span).count();
  std::printf("%llu records over %.1f s replayed in %.2f s, %.0f times as fast "
              "as it happened\n",
              static_cast<unsigned long long>(x.records), span, seconds,
              seconds > 0 ? span / seconds : 0);
  std::printf("%llu actors ran again and handled %llu messages; %llu of what "
              "they sent, set and remarked is as recorded\n",
              static_cast<unsigned long long>(x.actors),
              static_cast<unsigned long long>(x.handled),
              static_cast<unsigned long long>(x.compared));
  for (const auto& remark : x.remarks)
    std::printf("note: %s\n", remark.c_str());
  if (!x.diverged) {
    std::printf("no divergence\n");
    return;
  }
  const auto& y = *x.diverged;
  std::printf("\nDIVERGENCE at record %llu: %s\n",
              static_cast<unsigned long long>(y.at.number),
              line_of(y.at).c_str());
  std::printf("  actor     %s\n  recorded  %s\n  replayed  %s\n",
              y.actor.c_str(), or_nothing(y.recorded).c_str(),
              or_nothing(y.replayed).c_str());
  if (!y.state.empty())
    std::printf("  state     %s\n", y.state.c_str());
}

bool is_at_or_below(std::string_view role, std::string_view one) {
  return role.starts_with(one)
         && (role.size() == one.size() || role[one.size()] == '/');
}

/// The uppermost few.
std::string list_of(const std::set<std::string>& roles) {
  constexpr size_t listed_max = 8;
  std::vector<std::string> all{roles.begin(), roles.end()};
  std::ranges::stable_sort(
    all, {}, [](const std::string& x) { return std::ranges::count(x, '/'); });
  all.resize(std::min(all.size(), listed_max));
  return fmt::format("{}", fmt::join(all, ", "));
}

/// The next record that two recordings can be compared by: what somebody did,
/// not when.
bool next_deed(recording_reader& from, const std::string& role,
               const limit& until, record& into) {
  while (from.next(into)) {
    if (until.is_past(into))
      return false;
    auto is_deed = into.kind == record_kind::handled
                   || into.kind == record_kind::sent
                   || into.kind == record_kind::note;
    auto concerns
      = [&role](const player& x) { return is_at_or_below(x.role, role); };
    if (is_deed && (role.empty() || concerns(into.to) || concerns(into.from)))
      return true;
  }
  return false;
}

std::string deed_text(const record& x) {
  return fmt::format("{} {} -> {} {}", to_string(x.kind), to_string(x.from),
                     to_string(x.to),
                     x.what.empty() ? x.type : normal_text(x.what.content()));
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
      return parse_limit(x) ? "" : x + " is neither a number nor a time";
    });
  to->add_option("--actor", role_, "Only what this one and those below decide")
    ->type_name("ROLE");
  to->add_option("--diff", other_, "Only tell where another recording differs")
    ->type_name("FILE|DIR");
  to->add_flag("--json", json_, "For programs");
  to->footer("Exit status: 0; 1 if something came out otherwise, 2 if nothing "
             "can be read.");
  to->callback([this, &status] {
    if (other_.empty())
      run(status);
    else
      compare(status);
  });
}

void replay_command::run(int& status) const {
  auto reader = open_recordings(path_, config_path_);
  if (!reader) {
    std::fprintf(stderr, "muster: %s\n", reader.error().text.c_str());
    status = 2;
    return;
  }
  log::configure("panic", "text"); // what actors say was said when it happened
  auto until = *parse_limit(until_);
  auto begun = std::chrono::steady_clock::now();
  replay again{{role_}};
  record x;
  std::set<std::string> roles;
  while (reader->next(x) && !until.is_past(x)) {
    for (const auto* who : {&x.from, &x.to})
      if (!role_.empty() && !who->role.empty())
        roles.insert(who->role);
    if (!again.take(x))
      break;
  }
  if (again.report().records == 0) {
    std::fprintf(stderr, "muster: the recording has no record%s%s\n",
                 until_.empty() ? "" : " before ", until_.c_str());
    status = 2;
    return;
  }
  if (!role_.empty() && std::ranges::none_of(roles, [this](const auto& y) {
        return is_at_or_below(y, role_);
      })) {
    std::fprintf(stderr,
                 "muster: nobody in the recording is %s; there are: %s\n",
                 role_.c_str(), list_of(roles).c_str());
    status = 2;
    return;
  }
  const auto& report = again.report();
  auto seconds
    = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun)
        .count();
  if (json_)
    std::printf(
      "%s\n",
      json_of(report, seconds)
        .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
        .c_str());
  else
    print(report, seconds);
  for (const auto& problem : reader->problems())
    std::fprintf(stderr, "muster: %s\n", problem.c_str());
  status = report.diverged ? 1 : 0;
}

void replay_command::compare(int& status) const {
  auto one = open_recordings(path_, config_path_);
  auto other = recording_reader::open(other_);
  for (const auto* x : {&one, &other})
    if (!*x) {
      std::fprintf(stderr, "muster: %s\n", x->error().text.c_str());
      status = 2;
      return;
    }
  auto until = *parse_limit(until_);
  uint64_t equal = 0;
  for (;; ++equal) {
    record a;
    record b;
    auto has_a = next_deed(*one, role_, until, a);
    auto has_b = next_deed(*other, role_, until, b);
    if (!has_a && !has_b)
      break;
    if (has_a && has_b && deed_text(a) == deed_text(b))
      continue;
    std::printf("%llu records are equal, then\n  %s\n  %s\n",
                static_cast<unsigned long long>(equal),
                has_a ? line_of(a).c_str() : "(the end)",
                has_b ? line_of(b).c_str() : "(the end)");
    status = 1;
    return;
  }
  std::printf("%llu records are equal\n",
              static_cast<unsigned long long>(equal));
}

} // namespace muster
