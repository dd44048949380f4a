#include "tools/bench/jobs.hpp"
#include "tools/bench/scenarios.hpp"

#include <algorithm>
#include <csignal>
#include <fmt/format.h>
#include <map>
#include <random>
#include <thread>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;
using gitlab::endpoint;
using gitlab::fault_kind;
using gitlab::job_state;
using std::chrono::steady_clock;

using ids_t = std::vector<int64_t>;

int64_t unix_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

/// Prints a line every quarter of a second.
nlohmann::json talking_job(int lines) {
  return script_job(
    "talking",
    fmt::format("for i in {{1..{}}}; do echo line $i; sleep 0.25; done",
                lines));
}

nlohmann::json silent_job(int seconds) {
  return script_job("silent", fmt::format("echo begun; sleep {}", seconds));
}

/// Waits until each job has shown that its script runs.
result<void, bench_errc> wait_running(bed& on, const ids_t& ids,
                                      const std::string& word) {
  for (auto id : ids)
    if (!wait_until(
          steady_clock::now() + 60s,
          [&] {
            return on.gitlab().trace(id).find(" " + word + "\n")
                     != std::string::npos
                   || !on.manager().alive();
          },
          10ms))
      return fail(bench_errc::timed_out,
                  fmt::format("job {} did not begin; its log:\n{}", id,
                              on.gitlab().trace(id)));
  return {};
}

/// Waits for hosts, queues jobs and waits until their scripts run.
result<ids_t, bench_errc> run_up(bed& on, const nlohmann::json& job,
                                 size_t copies, const std::string& word) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  if (auto rested = on.rest(500ms); !rested)
    return tl::unexpected{rested.error()};
  auto ids = queue(on, job, copies);
  if (!ids)
    return ids;
  if (auto running = wait_running(on, *ids, word); !running)
    return tl::unexpected{running.error()};
  return ids;
}

double seconds_since(int64_t us, int64_t later_us) {
  return static_cast<double>(later_us - us) / 1e6;
}

int64_t last_finish(bed& on, const ids_t& ids) {
  int64_t last_us = 0;
  for (auto id : ids)
    last_us = std::max(last_us, on.gitlab().job(id)->finished_us);
  return last_us;
}

// -- g1: hosts ----------------------------------------------------------------

/// What is done to a host, and how soon its jobs must have ended.
struct host_fault {
  void (bed::*strike)(const local::instance_record&) const;
  double goal_s;
  const char* peer;
};

/// Two jobs on each of two hosts, two more wait; then something happens to the
/// first host.
result<void, bench_errc> run_host_fault(bed& on, recorder& to,
                                        const host_fault& what) {
  auto ids = run_up(on, silent_job(15), 4, "begun");
  if (!ids)
    return tl::unexpected{ids.error()};
  auto waiting = queue(on, silent_job(1), 2);
  auto host = on.host_of(ids->front());
  if (!waiting || !host)
    return tl::unexpected{waiting ? host.error() : waiting.error()};
  ids_t struck;
  for (auto id : *ids)
    if (auto other = on.host_of(id); other && other->id == host->id)
      struck.push_back(id);
  for (auto id : struck)
    on.excuse(id);
  auto cpu = on.manager().cpu();
  auto began = steady_clock::now();
  auto struck_us = unix_us();
  (on.*what.strike)(*host);
  auto waited = on.wait_jobs(180s);
  std::chrono::duration<double> took = steady_clock::now() - began;
  auto used = on.manager().cpu() - cpu;
  if (!waited)
    return waited;
  double wrong = 0;
  for (auto id : struck) {
    auto job = on.gitlab().job(id);
    to.add({"host lost to jobs failed", "s", 1, what.goal_s, what.peer},
           seconds_since(struck_us, job->finished_us));
    wrong += job->failure_reason != "runner_system_failure";
  }
  to.add({"jobs with another reason", "", 0.5, 0, "all: script_failure"},
         wrong);
  // Beside jobs that sleep: what is used looks for the host, or for another.
  to.add({"CPU a second meanwhile", "ms", 0.5, 50, "950 ms"},
         ms(used) / took.count());
  return {};
}

result<void, bench_errc> run_host_killed(bed& on, recorder& to, bool) {
  return run_host_fault(on, to, {&bed::kill_host, 5, "never, or as failed"});
}

/// Longer: an sshd that is being restarted refuses, too, and is waited for.
result<void, bench_errc> run_host_refuses(bed& on, recorder& to, bool) {
  return run_host_fault(on, to, {&bed::kill_host, 15, "never, or as failed"});
}

result<void, bench_errc> run_host_frozen(bed& on, recorder& to, bool) {
  return run_host_fault(on, to, {&bed::freeze_host, 30, "their own time-out"});
}

// -- g3: the plugin -----------------------------------------------------------

/// Jobs run on all hosts but one, the plugin is killed, and jobs come that need
/// that one: it has to be asked for it.
result<void, bench_errc> run_plugin_killed(bed& on, recorder& to, bool) {
  auto running = run_up(on, silent_job(8), 2, "begun");
  if (!running)
    return tl::unexpected{running.error()};
  auto plugin = on.plugin();
  if (!plugin)
    return tl::unexpected{plugin.error()};
  auto killed_us = unix_us();
  kill(*plugin, SIGKILL);
  auto late = queue(on, silent_job(1), 4);
  if (!late)
    return tl::unexpected{late.error()};
  if (auto ended = on.wait_jobs(60s); !ended)
    return ended;
  auto calls = on.calls();
  auto again = std::find_if(calls.begin(), calls.end(), [&](const auto& x) {
    return x.at_us > killed_us && x.name == "Init";
  });
  if (again == calls.end())
    return fail(bench_errc::failed, "the plugin was not started again");
  to.add({"killed to initialised again", "s", 0.5, 5, "never"},
         seconds_since(killed_us, again->at_us));
  to.add({"killed to last job ended", "s", 0.5, std::nullopt, "never"},
         seconds_since(killed_us, last_finish(on, *late)));
  double lost = 0;
  for (const auto* ids : {&*running, &*late})
    for (auto id : *ids)
      lost += on.gitlab().job(id)->state != job_state::success;
  to.add({"jobs lost", "", 0.5, 0, "all that need it"}, lost);
  return {};
}

// -- g2: GitLab ---------------------------------------------------------------

/// All jobs end while GitLab answers 500; others are queued meanwhile.
result<void, bench_errc> run_outage(bed& on, recorder& to, bool) {
  auto ids = run_up(on, silent_job(5), 20, "begun");
  if (!ids)
    return tl::unexpected{ids.error()};
  auto rule = on.gitlab().fail_with(
    {.at = std::nullopt, .kind = fault_kind::status, .state = {}});
  auto late = queue(on, tiny_job(), 20);
  if (auto rested = on.rest(20s); !late || !rested)
    return tl::unexpected{late ? rested.error() : late.error()};
  on.gitlab().faults().remove(rule);
  auto back_us = unix_us();
  if (auto ended = on.wait_jobs(120s); !ended)
    return ended;
  for (auto id : *ids)
    to.add({"back to last final state", "s", 1, 5, "2 to 59 s"},
           seconds_since(back_us, on.gitlab().job(id)->finished_us));
  int64_t handed_us = INT64_MAX;
  for (auto id : *late)
    handed_us = std::min(handed_us, on.gitlab().job(id)->handed_out_us);
  to.add({"back to first new job", "s", 0.5, 60, ""},
         seconds_since(back_us, handed_us));
  to.add({"back to last new job done", "s", 0.5, std::nullopt, ""},
         seconds_since(back_us, last_finish(on, *late)));
  return {};
}

/// What goes wrong with how many of GitLab's answers.
struct answer_fault {
  std::vector<endpoint> at;
  fault_kind kind = fault_kind::status;
  double probability = 0.2;
  int status = 0;
  nlohmann::json job;
  size_t copies = 20;
  const char* peer = "";
};

/// The same jobs without the fault and with it.
result<void, bench_errc> run_answers(bed& on, recorder& to,
                                     const answer_fault& what) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  double took[2] = {};
  for (auto faulty : {false, true}) {
    if (auto rested = on.rest(1s); !rested)
      return rested;
    ids_t rules;
    uint64_t seed = 1;
    for (auto at : what.at)
      if (faulty)
        rules.push_back(on.gitlab().fail_with({.at = at,
                                               .kind = what.kind,
                                               .probability = what.probability,
                                               .seed = seed++,
                                               .state = {},
                                               .status = what.status}));
    auto ids = queue(on, what.job, what.copies);
    if (!ids)
      return tl::unexpected{ids.error()};
    if (auto ended = on.wait_jobs(180s); !ended)
      return ended;
    took[faulty] = makespan_of(on.gitlab(), *ids);
    uint64_t hits = 0;
    for (const auto& x : on.gitlab().faults().list())
      hits += x.hits;
    if (faulty)
      to.add({"answers that went wrong", "", 0.5, std::nullopt, ""},
             static_cast<double>(hits));
    for (auto rule : rules)
      on.gitlab().faults().remove(rule);
  }
  to.add({"makespan without", "s", 0.5, std::nullopt, ""}, took[0]);
  to.add({"makespan with", "s", 0.5, std::nullopt, what.peer}, took[1]);
  to.add({"times as long", "", 0.5, 2, ""}, took[1] / took[0]);
  return {};
}

result<void, bench_errc> run_lost(bed& on, recorder& to, bool) {
  return run_answers(on, to,
                     {.at = {endpoint::update, endpoint::trace},
                      .kind = fault_kind::lost,
                      .probability = 0.1,
                      .job = talking_job(8),
                      .copies = 60,
                      .peer = "22.9 s"});
}

result<void, bench_errc> run_429(bed& on, recorder& to, bool) {
  return run_answers(
    on, to,
    {.at = {endpoint::request, endpoint::update, endpoint::trace},
     .status = 429,
     .job = talking_job(8),
     .copies = 20,
     .peer = "47 s"});
}

result<void, bench_errc> run_416(bed& on, recorder& to, bool) {
  return run_answers(on, to,
                     {.at = {endpoint::trace},
                      .status = 416,
                      .job = talking_job(8),
                      .copies = 20,
                      .peer = "6 s more"});
}

// -- g4: the manager ----------------------------------------------------------

result<void, bench_errc> run_manager_killed(bed& on, recorder& to, bool) {
  constexpr int lines = 60;
  auto ids = run_up(on, talking_job(lines), 4, "line 1");
  if (!ids)
    return tl::unexpected{ids.error()};
  for (auto id : *ids)
    on.excuse(id);
  if (auto rested = on.rest(2s); !rested)
    return rested;
  if (auto again = on.kill_manager(); !again)
    return again;
  auto began_us = unix_us();
  if (auto ended = on.wait_jobs(120s); !ended)
    return ended;
  double lost = 0;
  for (auto id : *ids) {
    auto job = on.gitlab().job(id);
    lost += job->state != job_state::success;
    auto heard = std::find_if(
      job->arrivals.begin(), job->arrivals.end(),
      [&](const gitlab::trace_arrival& x) { return x.at_us > began_us; });
    if (job->state == job_state::success && heard != job->arrivals.end())
      to.add({"started again to log goes on", "s", 1, 5, "never"},
             seconds_since(began_us, heard->at_us));
  }
  to.add({"jobs lost", "", 0.5, 0, "all"}, lost);
  return {};
}

// -- g6: cancelling -----------------------------------------------------------

/// Cancels jobs at seeded moments.
result<void, bench_errc> run_cancel(bed& on, recorder& to, bool) {
  auto talking = run_up(on, talking_job(400), 10, "line 1");
  if (!talking)
    return tl::unexpected{talking.error()};
  auto silent = queue(on, silent_job(100), 10);
  if (!silent)
    return tl::unexpected{silent.error()};
  if (auto running = wait_running(on, *silent, "begun"); !running)
    return running;
  std::mt19937 chance{6};
  std::multimap<std::chrono::milliseconds, int64_t> plan;
  for (const auto* ids : {&*talking, &*silent})
    for (auto id : *ids) {
      on.excuse(id);
      plan.emplace(chance() % 12'000, id);
    }
  std::map<int64_t, int64_t> canceled_us;
  auto began = steady_clock::now();
  for (auto [at, id] : plan) {
    std::this_thread::sleep_until(began + at);
    canceled_us[id] = unix_us();
    on.gitlab().cancel(id, true);
  }
  if (auto ended = on.wait_jobs(60s); !ended)
    return ended;
  double wrong = 0;
  for (auto [id, at_us] : canceled_us) {
    auto job = on.gitlab().job(id);
    auto printed
      = std::find(talking->begin(), talking->end(), id) != talking->end();
    auto took = seconds_since(at_us, job->finished_us);
    if (printed)
      to.add({"canceled to ended, printing", "s", 1, 1, "3 s"}, took);
    else
      to.add({"canceled to ended, silent", "s", 1, 5, "30 s"}, took);
    wrong += job->state != job_state::canceled;
  }
  to.add({"jobs not canceled", "", 0.5, 0, "all: unknown_failure"}, wrong);
  return {};
}

bed_options four_hosts() {
  return {};
}

bed_options two_small_hosts() {
  bed_options out;
  out.hosts = 2;
  out.slots = 2;
  return out;
}

bed_options two_blind_hosts() {
  auto out = two_small_hosts();
  out.from = host_source::blind;
  return out;
}

bed_options plugin_hosts() {
  auto out = two_small_hosts();
  out.from = host_source::plugin;
  out.hosts = 3;
  out.hosts_idle = 1;
  return out;
}

} // namespace

std::vector<scenario> fault_scenarios() {
  auto of = [](const char* name, const char* what, bed_options (*make)(),
               result<void, bench_errc> (*run)(bed&, recorder&, bool)) {
    return scenario{name, what, false, make, run, 1, false};
  };
  return {
    of("g1-host-killed", "a host is killed under two of four jobs",
       two_small_hosts, run_host_killed),
    of("g1b-host-refuses", "the same, and its cloud lists it as running",
       two_blind_hosts, run_host_refuses),
    of("g1c-host-frozen", "a host is stopped under two of four jobs",
       two_small_hosts, run_host_frozen),
    of("g2-coordinator-500-20s", "GitLab answers 500 for 20 s", four_hosts,
       run_outage),
    of("g2b-answers-lost", "10 % of the answers are lost", four_hosts,
       run_lost),
    of("g2c-429", "20 % of the answers are 429", four_hosts, run_429),
    of("g2d-416", "20 % of the patches are answered 416", four_hosts, run_416),
    of("g3-plugin-killed", "the plugin is killed when it is needed",
       plugin_hosts, run_plugin_killed),
    of("g4-manager-killed", "the manager is killed and started again",
       four_hosts, run_manager_killed),
    of("g6-cancel", "jobs are cancelled, printing and silent", four_hosts,
       run_cancel),
  };
}

} // namespace muster::bench
