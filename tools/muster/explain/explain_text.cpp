#include "actors/group/words.hpp"
#include "tools/muster/explain/render.hpp"
#include "tools/muster/terminal.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fmt/format.h>

namespace muster::explain {

namespace {

constexpr size_t decisions_shown = 40;
constexpr size_t instances_shown = 40;
constexpr size_t jobs_shown = 10;

std::string time_text(int64_t unix_us, const std::tm& x) {
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
                     x.tm_year + 1900, x.tm_mon + 1, x.tm_mday, x.tm_hour,
                     x.tm_min, x.tm_sec, unix_us / 1000 % 1000);
}

std::string span_text(int64_t us) {
  return spoken(std::chrono::milliseconds{(us + 500) / 1000});
}

std::string span_text(const stamp& from, const stamp& to) {
  return span_text(to.us - from.us);
}

std::string at(const stamp& x) {
  return local_time(x.unix_us);
}

void put_moments(std::string& to, const moments& x) {
  size_t i = 0;
  for (const auto& y : x.all()) {
    if (x.left_out() > 0 && i++ == moments::kept / 2)
      to += fmt::format("    ... {} more\n", x.left_out());
    to += fmt::format("  {}  {}\n", at(y.at), y.text);
  }
}

void put_parts(std::string& to, const std::array<int64_t, wait_parts>& parts,
               int64_t whole,
               const std::array<std::string, wait_parts>* because) {
  for (size_t i = 0; i < wait_parts; ++i) {
    if (parts.at(i) < 1000) // less than can be shown
      continue;
    auto part = static_cast<wait_part>(i);
    to += fmt::format("  {:>12} {:>3} %  {:<13} {}\n", span_text(parts.at(i)),
                      whole > 0 ? (parts.at(i) * 100 + whole / 2) / whole : 0,
                      to_string(part), meaning(part));
    if (because != nullptr && !because->at(i).empty())
      to += fmt::format("  {:>32} {}\n", "", because->at(i));
  }
}

std::string end_of(const job_story& x) {
  std::string where = x.instance.empty()
                        ? std::string{}
                        : fmt::format(" in slot {} of {}", x.slot, x.instance);
  if (!x.ended)
    return x.began ? fmt::format("It runs{} since {}.", where, at(*x.began))
                   : "It has not begun yet, as far as the recording goes.";
  auto ran = x.began && x.script_ended
               ? " for " + span_text(*x.began, *x.script_ended)
               : std::string{};
  auto how = x.success ? "succeeded"
                       : "failed"
                           + (x.failure.empty() ? std::string{}
                                                : " (" + x.failure + ")");
  if (!x.began && !x.is_taken_over)
    return fmt::format("It {} at {}, before any script began.", how,
                       at(*x.ended));
  return fmt::format("It ran{}{}, and {} at {}.", ran, where, how,
                     at(*x.ended));
}

void put_job(std::string& to, const job_story& x) {
  to += fmt::format("Job {} of {}\n", x.job, x.runner);
  auto waited = x.waited();
  if (x.is_taken_over)
    to += "It was taken over from an earlier run of muster.\n";
  if (x.began && x.offered)
    to += fmt::format(
      "It waited {} for its first script, until {}; GitLab "
      "gave it to muster at {}{}.\n",
      span_text(waited), at(*x.began), at(*x.offered),
      x.queued_s < 0
        ? ", and did not say since when it was queued"
        : fmt::format(", {} after it was queued",
                      span_text(static_cast<int64_t>(x.queued_s * 1e6))));
  else if (x.offered)
    to += fmt::format("GitLab gave it to muster at {}; its waiting so far "
                      "that is accounted for is {}.\n",
                      at(*x.offered), span_text(waited));
  put_parts(to, x.waited_us, waited, &x.because);
  to += end_of(x) + "\n";
  put_moments(to, x.told);
}

/// `asked for at ..., ran 40 s later, ready another 3 s later`.
std::string boot_text(const instance_story& x) {
  std::string out;
  const stamp* last = nullptr;
  auto add = [&](const std::optional<stamp>& when, const char* what) {
    if (!when)
      return;
    out += last == nullptr
             ? fmt::format("{} at {}", what, at(*when))
             : fmt::format(", {} {} later", what, span_text(*last, *when));
    last = &*when;
  };
  add(x.asked, "asked for");
  if (!x.asked)
    add(x.listed, "first listed");
  add(x.running, "running");
  add(x.dialed, "connected");
  add(x.ready, "ready");
  return out;
}

std::string origin_of(const instance_story& x) {
  if (!x.is_known)
    return "it was there before the recording begins";
  switch (x.cause) {
    case instance_cause::requested:
      return x.made_because.empty() ? "muster had asked for it"
                                    : x.made_because;
    case instance_cause::preexisted:
      return "muster did not make it: it was there when muster started";
    case instance_cause::unexpected:
      return "muster did not make it: it appeared although nobody had asked";
  }
  return "";
}

void put_instance(std::string& to, const instance_story& x) {
  to += fmt::format("Instance {} of {}\n", x.id, x.group);
  to += fmt::format("Why it was made: {}.\n", origin_of(x));
  if (auto boot = boot_text(x); !boot.empty())
    to += fmt::format("How it came up: {}.\n", boot);
  to += fmt::format("It has had {}.\n", counted(x.jobs, "job", "jobs"));
  if (!x.retired_because.empty())
    to += fmt::format("Why it {} removed: {}.\n", x.gone ? "was" : "is",
                      x.retired_because);
  if (x.retired)
    to += fmt::format("No more jobs since {}", at(*x.retired));
  if (x.deletion)
    to += fmt::format("{}emoval asked for at {}", x.retired ? ", r" : "R",
                      at(*x.deletion));
  if (x.gone)
    to += fmt::format("{}one at {}", x.retired || x.deletion ? ", g" : "G",
                      at(*x.gone));
  if (x.retired || x.deletion || x.gone)
    to += ".\n";
  else
    to += "It is there to serve.\n";
  put_moments(to, x.told);
}

void put_decisions(std::string& to, const report& x) {
  if (x.decisions.empty())
    return;
  to += "\nDecisions\n";
  auto skipped = x.decisions.size() > decisions_shown
                   ? x.decisions.size() - decisions_shown
                   : 0;
  if (skipped > 0)
    to += fmt::format("  the last {} of {}; --json has the rest\n",
                      decisions_shown, x.decisions.size());
  for (size_t i = skipped; i < x.decisions.size(); ++i) {
    const auto& y = x.decisions[i];
    to += fmt::format("  {}  {}: {}, since {}\n", at(y.at), y.group,
                      y.action == "nothing" ? "nothing done" : y.action, y.why);
    if (!y.not_done.empty())
      to += fmt::format("  {:>23}  not done: {}\n", "", y.not_done);
  }
  std::string rules;
  for (const auto& [rule, count] : x.rules)
    rules += fmt::format("{}{} {}", rules.empty() ? "" : ", ", to_string(rule),
                         count);
  if (!rules.empty())
    to += "  By rule: " + rules + ".\n";
}

void put_instances(std::string& to, const report& x) {
  if (x.instances.empty())
    return;
  to += fmt::format("\nInstances ({})\n", x.instances.size());
  auto skipped = x.instances.size() > instances_shown
                   ? x.instances.size() - instances_shown
                   : 0;
  if (skipped > 0)
    to += fmt::format("  the last {}; --json has the rest\n", instances_shown);
  for (size_t i = skipped; i < x.instances.size(); ++i) {
    const auto& y = x.instances[i];
    to += fmt::format("  {}: {}", y.id, origin_of(y));
    if (y.asked && y.ready)
      to += fmt::format("; ready {} after it was asked for",
                        span_text(*y.asked, *y.ready));
    to += "; " + counted(y.jobs, "job", "jobs");
    if (y.gone)
      to += fmt::format("; gone at {}: {}", at(*y.gone), y.retired_because);
    else if (!y.retired_because.empty())
      to += "; being removed: " + y.retired_because;
    to += "\n";
  }
}

void put_jobs(std::string& to, const report& x) {
  if (x.jobs.empty() && x.jobs_begun == 0)
    return;
  auto failed = std::ranges::count_if(
    x.jobs, [](const auto& y) { return y.ended && !y.success; });
  auto open
    = std::ranges::count_if(x.jobs, [](const auto& y) { return !y.ended; });
  to += fmt::format("\nJobs ({}: {} failed, {} not over)\n", x.jobs.size(),
                    failed, open);
  int64_t whole = 0;
  for (auto y : x.waited_us)
    whole += y;
  if (x.jobs_begun > 0) {
    to += fmt::format(
      "  {} begun, and waited {} on average:\n",
      counted(static_cast<int64_t>(x.jobs_begun), "job was", "jobs were"),
      span_text(whole / static_cast<int64_t>(x.jobs_begun)));
    auto mean = x.waited_us;
    for (auto& y : mean)
      y /= static_cast<int64_t>(x.jobs_begun);
    put_parts(to, mean, whole / static_cast<int64_t>(x.jobs_begun), nullptr);
  }
  std::vector<const job_story*> slowest;
  for (const auto& y : x.jobs)
    slowest.push_back(&y);
  std::ranges::stable_sort(slowest, std::greater{},
                           [](const auto* y) { return y->waited(); });
  slowest.resize(std::min(slowest.size(), jobs_shown));
  if (!slowest.empty())
    to += "  Those that waited the longest:\n";
  for (const auto* y : slowest) {
    auto most = std::ranges::max_element(y->waited_us);
    auto part = static_cast<wait_part>(most - y->waited_us.begin());
    to += fmt::format("  job {}: {}", y->job, span_text(y->waited()));
    if (*most > 0)
      to += fmt::format(", of these {} {}", span_text(*most), to_string(part));
    if (!y->instance.empty())
      to += " (" + y->instance + ")";
    to += "\n";
  }
}

/// What servers, clouds and commands have said goes to a terminal.
void clean(std::string& x) {
  x = printable(std::move(x));
}

void clean(moments& x) {
  for (auto& y : x.all())
    clean(y.text);
}

void clean(job_story& x) {
  for (auto* text : {&x.runner, &x.instance, &x.failure})
    clean(*text);
  for (auto& why : x.because)
    clean(why);
  clean(x.told);
}

void clean(instance_story& x) {
  for (auto* text : {&x.id, &x.group, &x.made_because, &x.retired_because})
    clean(*text);
  clean(x.told);
}

void clean(decision_line& x) {
  for (auto* text : {&x.group, &x.action, &x.why, &x.not_done, &x.policy})
    clean(*text);
}

void clean(report& x) {
  for (auto& y : x.jobs)
    clean(y);
  for (auto& y : x.instances)
    clean(y);
  for (auto& y : x.decisions)
    clean(y);
  clean(x.problems);
}

} // namespace

std::string local_time(int64_t unix_us) {
  auto seconds = static_cast<std::time_t>(unix_us / 1'000'000);
  std::tm out{};
  localtime_r(&seconds, &out);
  return time_text(unix_us, out);
}

std::string local_zone(int64_t unix_us) {
  auto seconds = static_cast<std::time_t>(unix_us / 1'000'000);
  std::tm out{};
  localtime_r(&seconds, &out);
  auto minutes = std::abs(out.tm_gmtoff) / 60;
  return fmt::format("{}, UTC{}{:02}:{:02}", out.tm_zone,
                     out.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::string text_of(const report& foreign, const filter& about) {
  if (!foreign.first)
    return "The recording is empty.\n";
  auto x = foreign;
  clean(x);
  auto begin = std::max(x.first->unix_us, about.since_unix_us);
  auto out = fmt::format(
    "From {} to {} (local time: {}); {} in the recording, {} of muster.\n",
    local_time(begin), at(*x.last), local_zone(x.last->unix_us),
    counted(static_cast<int64_t>(x.records), "record", "records"),
    counted(static_cast<int64_t>(std::max<size_t>(x.runs.size(), 1)), "run",
            "runs"));
  if (x.missing > 0)
    out += fmt::format("{} records are missing: what they tell is not here.\n",
                       x.missing);
  if (x.left_out > 0)
    out += fmt::format("{} jobs, instances and decisions of the longest ago "
                       "are left out: there are too many.\n",
                       x.left_out);
  if (about.job) {
    if (x.jobs.empty())
      out
        += fmt::format("\nThere is no job {} in the recording.\n", *about.job);
    for (const auto& y : x.jobs)
      put_job(out += "\n", y);
    for (const auto& y : x.instances)
      put_instance(out += "\n", y);
    return out;
  }
  if (about.instance) {
    if (x.instances.empty())
      out += fmt::format("\nThere is no instance {} in the recording.\n",
                         *about.instance);
    for (const auto& y : x.instances)
      put_instance(out += "\n", y);
    if (!x.instances.empty())
      put_jobs(out, x);
    return out;
  }
  put_decisions(out, x);
  put_instances(out, x);
  put_jobs(out, x);
  if (!x.problems.all().empty()) {
    out += "\nProblems\n";
    put_moments(out, x.problems);
  }
  if (x.decisions.empty() && x.instances.empty() && x.jobs.empty())
    out += "\nNothing was decided, made or run in this time.\n";
  return out;
}

} // namespace muster::explain
