#include "tools/bench/jobs.hpp"
#include "tools/bench/scenarios.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;

// -- e: hosts that are made for a job -----------------------------------------

constexpr auto slow_boot = 2s;

void add_cold_start(recorder& to, const job_times& x, double rank,
                    const char* name, double goal_ms, const char* peer) {
  to.add(
    {fmt::format("start {}", name), "ms", rank, ms(slow_boot) + goal_ms, peer},
    ms(x.start));
}

/// From a job handed out, the demand, to the plugin being asked for a host.
void add_reaction(bed& on, recorder& to, int64_t job, size_t calls_before) {
  auto handed_out = on.gitlab().job(job);
  auto calls = on.calls();
  auto asked = std::find_if(
    calls.begin() + static_cast<ptrdiff_t>(calls_before), calls.end(),
    [](const auto& x) { return x.name == "Increase"; });
  if (handed_out && asked != calls.end())
    to.add({"handed out to Increase", "ms", 0.5, 50, ""},
           static_cast<double>(asked->at_us - handed_out->handed_out_us)
             / 1000);
}

/// One job at a time, each on a host of its own.
result<void, bench_errc> run_cold(bed& on, recorder& to, bool) {
  constexpr int jobs = 5;
  if (auto polled = on.wait_first_poll(); !polled)
    return tl::unexpected{polled.error()};
  for (int i = 0; i < jobs; ++i) {
    auto before = on.calls().size();
    auto ids = queue(on, tiny_job(), 1);
    if (!ids)
      return tl::unexpected{ids.error()};
    if (auto ended = on.wait_jobs(60s); !ended)
      return ended;
    auto times = times_of(on.gitlab(), ids->front());
    if (!times)
      return tl::unexpected{times.error()};
    add_cold_start(to, *times, 0.5, "p50", 200, "4190 ms");
    to.add({"start beyond the boot", "ms", 0.5, 200, "2.2 s"},
           ms(times->start - slow_boot));
    to.add({"pick-up", "ms", 0.5, std::nullopt, ""}, ms(times->pick_up));
    add_reaction(on, to, ids->front(), before);
    if (auto gone = on.wait_no_host(); !gone)
      return gone;
    to.add({"calls of the plugin a job", "", 0.5, std::nullopt, ""},
           static_cast<double>(on.calls().size() - before));
  }
  return {};
}

/// As many jobs as there are slots, and no host.
result<void, bench_errc> run_cold_burst(bed& on, recorder& to, bool) {
  if (auto polled = on.wait_first_poll(); !polled)
    return tl::unexpected{polled.error()};
  auto before = on.calls().size();
  auto ids = queue(on, tiny_job(), hosts * slots_per_host);
  if (!ids)
    return tl::unexpected{ids.error()};
  if (auto ended = on.wait_jobs(60s); !ended)
    return ended;
  for (auto id : *ids) {
    auto times = times_of(on.gitlab(), id);
    if (!times)
      return tl::unexpected{times.error()};
    add_cold_start(to, *times, 0.5, "p50", 500, "");
    add_cold_start(to, *times, 1, "max", 500, "");
  }
  to.add({"makespan", "s", 0.5, std::nullopt, ""},
         makespan_of(on.gitlab(), *ids));
  to.add({"calls of the plugin", "", 0.5, std::nullopt, ""},
         static_cast<double>(on.calls().size() - before));
  return {};
}

/// How often the plugin was called, by the name of the call. From the first to
/// the last of a name, so that it does not count where the time begins.
std::map<std::string, double>
calls_an_hour(const std::vector<provider_call>& calls) {
  std::map<std::string, std::vector<int64_t>> at_us;
  for (const auto& x : calls)
    at_us[x.name].push_back(x.at_us);
  std::map<std::string, double> out;
  for (const auto& [name, times] : at_us)
    if (times.size() > 1)
      out[name] = static_cast<double>(times.size() - 1) * 3600e6
                  / static_cast<double>(times.back() - times.front());
  return out;
}

double sum(const std::map<std::string, double>& rates) {
  double out = 0;
  for (const auto& [name, rate] : rates)
    out += rate;
  return out;
}

/// A pool that has nothing to do, and then a job a second, each on a new host.
result<void, bench_errc> run_calls(bed& on, recorder& to, bool) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  if (auto rested = on.rest(10s); !rested)
    return rested;
  auto from = static_cast<ptrdiff_t>(on.calls().size());
  if (auto rested = on.rest(200s); !rested)
    return rested;
  auto calls = on.calls();
  // One a minute: `update_interval`.
  to.add({"calls an hour, idle", "", 0.5, 61, ""},
         sum(calls_an_hour({calls.begin() + from, calls.end()})));
  constexpr int jobs = 60;
  from = static_cast<ptrdiff_t>(calls.size());
  for (int i = 0; i < jobs; ++i) {
    auto ids = queue(on, tiny_job(), 1);
    auto rested = on.rest(1s);
    if (!ids || !rested)
      return tl::unexpected{ids ? rested.error() : ids.error()};
  }
  if (auto ended = on.wait_jobs(60s); !ended)
    return ended;
  calls = on.calls();
  auto rates = calls_an_hour({calls.begin() + from, calls.end()});
  to.add({"calls an hour, a job a second", "", 0.5, std::nullopt, ""},
         sum(rates));
  for (const auto& [name, rate] : rates)
    to.add({fmt::format("of them {}", name), "", 0.5, std::nullopt, ""}, rate);
  to.add({"calls a job", "", 0.5, std::nullopt, ""},
         static_cast<double>(calls.size() - static_cast<size_t>(from)) / jobs);
  return {};
}

// -- f: a new host for each job -----------------------------------------------

result<void, bench_errc> run_churn(bed& on, recorder& to, size_t jobs,
                                   const figure_info& makespan,
                                   const char* peer_cpu) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  if (auto rested = on.rest(1s); !rested)
    return rested;
  auto plugin = on.plugin();
  if (!plugin)
    return tl::unexpected{plugin.error()};
  auto before = on.calls().size();
  auto manager_cpu = on.manager().cpu();
  auto plugin_cpu = cpu_of(*plugin);
  auto ids = queue(on, tiny_job(), jobs);
  if (!ids)
    return tl::unexpected{ids.error()};
  if (auto ended = on.wait_jobs(300s); !ended)
    return ended;
  if (auto rested = on.rest(500ms); !rested) // hosts are removed after jobs
    return rested;
  manager_cpu = on.manager().cpu() - manager_cpu;
  plugin_cpu = cpu_of(*plugin) - plugin_cpu;
  auto count = static_cast<double>(jobs);
  to.add(makespan, makespan_of(on.gitlab(), *ids));
  to.add({"CPU of manager and plugin a job", "ms", 0.5, 15, peer_cpu},
         ms(manager_cpu + plugin_cpu) / count);
  to.add({"of it the manager's", "ms", 0.5, std::nullopt, ""},
         ms(manager_cpu) / count);
  to.add({"peak memory", "MiB", 0.5, std::nullopt, ""},
         mib(on.manager().memory().peak));
  to.add({"calls of the plugin a job", "", 0.5, std::nullopt, ""},
         static_cast<double>(on.calls().size() - before) / count);
  return {};
}

result<void, bench_errc> run_churn40(bed& on, recorder& to, bool) {
  return run_churn(on, to, 40, {"makespan", "s", 0.5, 6, "30.2 s"},
                   "28 to 33 ms");
}

result<void, bench_errc> run_churn200(bed& on, recorder& to, bool) {
  return run_churn(on, to, 200, {"makespan", "s", 0.5, 30, ""}, "");
}

// -- n: many jobs that run at the same time -----------------------------------

struct crowd {
  size_t jobs;
  int lines;      ///< of each job
  int pause_s;    ///< between two lines
  double p95_max; ///< of the delay [ms]
};

/// Jobs that ran when the last one had been handed out.
double at_once(bed& on, const std::vector<int64_t>& ids) {
  int64_t last_us = 0;
  std::vector<int64_t> finished_us;
  for (auto id : ids)
    if (auto job = on.gitlab().job(id)) {
      last_us = std::max(last_us, job->handed_out_us);
      finished_us.push_back(job->finished_us);
    }
  return static_cast<double>(
    std::count_if(finished_us.begin(), finished_us.end(),
                  [last_us](int64_t at_us) { return at_us > last_us; }));
}

/// A queue that grows with the time has twice as much at the end as at half
/// time; one that does not may still have a new mark by chance.
bool has_grown(double half, double end) {
  return end > 1.25 * half + 4;
}

/// The most that ever waited in each queue, and how many queues grow.
void add_marks(recorder& to, const std::map<std::string, double>& half,
               const std::map<std::string, double>& end) {
  double grown = 0;
  for (const auto& [queue, mark] : end) {
    to.add({"most in " + queue, "", 0.5, std::nullopt, ""}, mark);
    auto before = half.find(queue);
    grown += has_grown(before == half.end() ? 0 : before->second, mark);
  }
  to.add({"queues that grew", "", 0.5, 0, ""}, grown);
  to.add({"queues seen", "", 0.5, 1, "", true},
         static_cast<double>(end.size()));
}

/// All jobs print at an even pace: what waits anywhere in the second half of
/// the time must be no more than in the first.
result<void, bench_errc> run_crowd(bed& on, recorder& to, const crowd& what) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  auto cpu = on.manager().cpu();
  auto ids
    = queue(on,
            script_job("crowd",
                       fmt::format("for i in {{1..{}}}; do "
                                   "echo \"printed=${{EPOCHREALTIME/./}}000\"; "
                                   "sleep {}; done",
                                   what.lines, what.pause_s)),
            what.jobs);
  if (!ids)
    return tl::unexpected{ids.error()};
  auto running = wait_until(
    std::chrono::steady_clock::now() + 120s,
    [&] {
      return std::all_of(ids->begin(), ids->end(), [&](int64_t id) {
        return !stamps_of(on.gitlab().trace(id), "printed=").empty();
      });
    },
    500ms);
  if (!running)
    return fail(bench_errc::timed_out, "not all jobs began");
  // The first jobs have a head start; half of what the last one has left.
  auto half = std::chrono::milliseconds{what.lines * what.pause_s * 1000 / 4};
  if (auto rested = on.rest(half); !rested)
    return rested;
  auto memory = on.manager().memory().resident;
  auto marks = on.queue_marks();
  if (auto rested = on.rest(half); !rested)
    return rested;
  auto grown = on.manager().memory().resident - memory;
  auto last_marks = on.queue_marks();
  if (auto ended = on.wait_jobs(300s); !ended)
    return ended;
  auto used = on.manager().cpu() - cpu;
  for (auto id : *ids)
    if (auto job = on.gitlab().job(id))
      for (auto delay : delays_of(stamps_of(on.gitlab().trace(id), "printed="),
                                  job->arrivals))
        to.add({"delay p95", "ms", 0.95, what.p95_max, ""}, delay);
  auto count = static_cast<double>(what.jobs);
  to.add({"jobs at the same time", "", 0.5, count, "", true},
         at_once(on, *ids));
  to.add({"memory grown meanwhile", "MiB", 0.5, 2, ""}, mib(grown));
  to.add({"peak memory", "MiB", 0.5, std::nullopt, ""},
         mib(on.manager().memory().peak));
  to.add({"CPU of the manager a job", "ms", 0.5, std::nullopt, ""},
         ms(used) / count);
  add_marks(to, marks, last_marks);
  return {};
}

result<void, bench_errc> run_real200(bed& on, recorder& to, bool) {
  return run_crowd(on, to, {200, 60, 1, 1000});
}

result<void, bench_errc> run_sim1000(bed& on, recorder& to, bool) {
  return run_crowd(on, to, {1000, 30, 4, 1000});
}

// -- beds ---------------------------------------------------------------------

bed_options cold_bed() {
  bed_options out;
  out.from = host_source::plugin;
  out.warm = false;
  out.boot = slow_boot;
  return out;
}

bed_options one_job_hosts() {
  auto out = cold_bed();
  out.slots = 1;
  out.max_use_count = 1;
  return out;
}

bed_options calls_bed() {
  auto out = one_job_hosts();
  out.warm = true;
  out.boot = 500ms;
  return out;
}

bed_options churn_bed() {
  auto out = calls_bed();
  out.hosts = 8;
  out.hosts_idle = 4;
  out.concurrent = 20;
  return out;
}

bed_options real200_bed() {
  bed_options out;
  out.slots = 50;
  out.metrics = true;
  return out;
}

bed_options sim1000_bed() {
  bed_options out;
  out.from = host_source::shared;
  out.hosts = 250;
  out.slots = 4;
  out.metrics = true;
  return out;
}

} // namespace

std::vector<scenario> provider_scenarios() {
  auto of
    = [](const char* name, const char* what, bed_options (*make)(),
         result<void, bench_errc> (*run)(bed&, recorder&, bool), int runs_max) {
        return scenario{name, what, false, make, run, runs_max, false};
      };
  return {
    of("e-cold", "a job at a time, no pool, hosts boot in 2 s", one_job_hosts,
       run_cold, 0),
    of("e2-cold-burst20", "20 jobs at once, the same", cold_bed, run_cold_burst,
       0),
    of("e-calls", "calls of the plugin, idle and a job a second", calls_bed,
       run_calls, 1),
    of("f-churn40", "40 tiny jobs at once, a new host for each", churn_bed,
       run_churn40, 0),
    of("f2-churn200", "200, the same", churn_bed, run_churn200, 1),
    of("n-real200", "200 jobs at the same time on 4 hosts", real200_bed,
       run_real200, 1),
    of("n-sim1000", "1,000 on 250 instances that are one host", sim1000_bed,
       run_sim1000, 1),
  };
}

} // namespace muster::bench
