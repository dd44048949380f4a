#include "tools/bench/jobs.hpp"
#include "tools/bench/scenarios.hpp"

#include <algorithm>
#include <functional>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

// -- a: nothing to do ---------------------------------------------------------

result<void, bench_errc> run_startup(bed& on, recorder& to, bool) {
  auto polled = on.wait_first_poll();
  if (!polled)
    return tl::unexpected{polled.error()};
  to.add({"start to first poll", "ms", 0.5, 60, "118 ms"}, ms(*polled));
  to.add({"resident memory then", "MiB", 0.5, std::nullopt, ""},
         mib(on.manager().memory().resident));
  return {};
}

result<void, bench_errc> run_startup_warm(bed& on, recorder& to, bool) {
  auto polled = on.wait_first_poll();
  if (!polled)
    return tl::unexpected{polled.error()};
  auto warm = on.wait_warm();
  if (!warm)
    return tl::unexpected{warm.error()};
  to.add({"start to first poll", "ms", 0.5, 600, "3.1 or 6.1 s"}, ms(*polled));
  to.add({"start to all hosts ready", "ms", 0.5, std::nullopt, ""}, ms(*warm));
  return {};
}

/// How often GitLab is asked while there is nothing to do: from one request to
/// the one `count` later.
result<double, bench_errc> idle_polls_per_minute(bed& on, uint64_t count) {
  auto first = on.wait_polls(on.polls() + 1);
  if (!first)
    return tl::unexpected{first.error()};
  auto last = on.wait_polls(on.polls() + count);
  if (!last)
    return tl::unexpected{last.error()};
  return static_cast<double>(count) * 60
         / std::chrono::duration<double>(*last - *first).count();
}

/// After half a minute muster asks as rarely as it ever does.
constexpr auto settling = 31s;

result<void, bench_errc> run_idle(bed& on, recorder& to,
                                  const figure_info& memory) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  if (auto rested = on.rest(settling); !rested)
    return rested;
  constexpr auto time = 20s;
  auto cpu = on.manager().cpu();
  if (auto rested = on.rest(time); !rested)
    return rested;
  auto used = on.manager().cpu() - cpu;
  auto polls = idle_polls_per_minute(on, 5);
  if (!polls)
    return tl::unexpected{polls.error()};
  to.add(memory, mib(on.manager().memory().resident));
  to.add({"CPU a minute", "ms", 0.5, 20, "40 ms"},
         ms(used) * 60 / time.count());
  to.add({"polls a minute", "", 0.5, 20.5, "20"}, *polls);
  return {};
}

result<void, bench_errc> run_idle_local(bed& on, recorder& to, bool) {
  return run_idle(on, to, {"resident memory", "MiB", 0.5, 16, "53-55 MiB"});
}

/// The plugin's own memory is its author's affair, and not counted.
result<void, bench_errc> run_idle_plugin(bed& on, recorder& to, bool) {
  return run_idle(on, to, {"resident memory", "MiB", 0.5, 24, "53-55 MiB"});
}

// -- b: one job at a time -----------------------------------------------------

struct pace_of_jobs {
  int count;
  nanoseconds pause_max; ///< between two jobs; they are spread below it
};

/// Runs tiny jobs one after the other; `told` gets the times of each.
result<void, bench_errc>
run_singles(bed& on, pace_of_jobs pace,
            const std::function<void(const job_times&)>& told) {
  for (int i = 0; i < pace.count; ++i) {
    // Every pause once (the count is prime to 7), short and long in turn, since
    // the pace of polls may depend on the pause before.
    auto step = (i * 7) % pace.count;
    auto pause = pace.pause_max * step / std::max(pace.count, 1);
    if (auto rested
        = on.rest(std::chrono::duration_cast<std::chrono::milliseconds>(pause));
        !rested)
      return rested;
    auto ids = queue(on, tiny_job(), 1);
    if (!ids)
      return tl::unexpected{ids.error()};
    if (auto ended = on.wait_jobs(30s); !ended)
      return ended;
    auto times = times_of(on.gitlab(), ids->front());
    if (!times)
      return tl::unexpected{times.error()};
    told(*times);
  }
  return {};
}

void add_start(recorder& to, const job_times& x, const char* peer_p50,
               const char* peer_p95) {
  to.add({"start p50", "ms", 0.5, 20, peer_p50}, ms(x.start));
  to.add({"start p95", "ms", 0.95, std::nullopt, peer_p95}, ms(x.start));
  to.add({"finish", "ms", 0.5, std::nullopt, "4 ms"}, ms(x.finish));
}

result<void, bench_errc> run_default(bed& on, recorder& to, bool first) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  auto spread = run_singles(on, {11, 3s}, [&to](const job_times& x) {
    to.add({"pick-up p50", "ms", 0.5, 250, "1630 ms"}, ms(x.pick_up));
    to.add({"pick-up p95", "ms", 0.95, std::nullopt, "2777 ms"}, ms(x.pick_up));
    add_start(to, x, "131 ms", "159 ms");
  });
  if (!spread)
    return spread;
  auto at_once = run_singles(on, {11, 0s}, [&to](const job_times& x) {
    to.add({"pick-up right after a job", "ms", 0.5, std::nullopt, ""},
           ms(x.pick_up));
  });
  if (!at_once || !first)
    return at_once;
  if (auto rested = on.rest(settling); !rested)
    return rested;
  auto polls = idle_polls_per_minute(on, 5);
  if (!polls)
    return tl::unexpected{polls.error()};
  to.add({"polls a minute, idle", "", 0.5, 20.5, "20"}, *polls);
  return {};
}

result<void, bench_errc> run_long_poll(bed& on, recorder& to, bool) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  return run_singles(on, {20, 600ms}, [&to](const job_times& x) {
    to.add({"pick-up p50", "ms", 0.5, std::nullopt, "0.04 ms"}, ms(x.pick_up));
    to.add({"pick-up p95", "ms", 0.95, std::nullopt, ""}, ms(x.pick_up));
    add_start(to, x, "134 ms", "");
  });
}

// -- c: many jobs at once -----------------------------------------------------

struct burst_goals {
  figure_info makespan;
  figure_info cpu;
  figure_info peak;
};

result<void, bench_errc> run_burst(bed& on, recorder& to, size_t jobs,
                                   const burst_goals& goals) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  if (auto rested = on.rest(500ms); !rested)
    return rested;
  auto cpu = on.manager().cpu();
  auto ids = queue(on, tiny_job(), jobs);
  if (!ids)
    return tl::unexpected{ids.error()};
  if (auto ended = on.wait_jobs(180s); !ended)
    return ended;
  if (auto rested = on.rest(500ms); !rested) // slots are cleaned after jobs
    return rested;
  auto used = on.manager().cpu() - cpu;
  for (auto id : *ids) {
    auto times = times_of(on.gitlab(), id);
    if (!times)
      return tl::unexpected{times.error()};
    to.add({"start p50", "ms", 0.5, std::nullopt, ""}, ms(times->start));
    to.add({"start p95", "ms", 0.95, std::nullopt, ""}, ms(times->start));
  }
  auto makespan = makespan_of(on.gitlab(), *ids);
  auto count = static_cast<double>(jobs);
  to.add(goals.makespan, makespan);
  to.add({"jobs a second", "", 0.5, std::nullopt, ""}, count / makespan);
  to.add(goals.cpu, ms(used) / count);
  to.add(goals.peak, mib(on.manager().memory().peak));
  return {};
}

result<void, bench_errc> run_burst100(bed& on, recorder& to, bool) {
  return run_burst(on, to, 100,
                   {{"makespan", "s", 0.5, 1.6, "15.9 s"},
                    {"CPU of the manager a job", "ms", 0.5, 4.6, "9.4 ms"},
                    {"peak memory", "MiB", 0.5, 32, "68 MiB"}});
}

result<void, bench_errc> run_burst500(bed& on, recorder& to, bool) {
  return run_burst(on, to, 500,
                   {{"makespan", "s", 0.5, 7, "75.9 s; 25.9 s at its best"},
                    {"CPU of the manager a job", "ms", 0.5, 4.6, ""},
                    {"peak memory", "MiB", 0.5, 32, "74 MiB"}});
}

// -- r: what recording costs --------------------------------------------------

result<void, bench_errc> run_unrecorded(bed& on, recorder& to, bool) {
  return run_burst(on, to, 500,
                   {{"makespan", "s", 0.5, std::nullopt, ""},
                    {"CPU of the manager a job", "ms", 0.5, std::nullopt, ""},
                    {"peak memory", "MiB", 0.5, std::nullopt, ""}});
}

result<void, bench_errc> run_recorded(bed& on, recorder& to, bool first) {
  constexpr auto records_name = "muster_recorder_records_total";
  constexpr auto bytes_name = "muster_recorder_bytes_total";
  auto records = on.series(records_name);
  auto bytes = on.series(bytes_name);
  if (auto done = run_unrecorded(on, to, first); !done)
    return done;
  records = on.series(records_name) - records;
  bytes = on.series(bytes_name) - bytes;
  to.add({"records a job", "", 0.5, 200, ""}, records / 500);
  to.add({"bytes a record", "", 0.5, std::nullopt, ""},
         records > 0 ? bytes / records : 0);
  to.add({"records lost", "", 0.5, 0, ""},
         on.series("muster_recorder_dropped_records_total"));
  return {};
}

bed_options cold_bed() {
  bed_options out;
  out.warm = false;
  return out;
}

bed_options warm_bed() {
  return {};
}

bed_options recorded_bed() {
  bed_options out;
  out.metrics = true;
  return out;
}

bed_options unrecorded_bed() {
  auto out = recorded_bed();
  out.records = false;
  return out;
}

bed_options plugin_bed() {
  bed_options out;
  out.from = host_source::plugin;
  return out;
}

bed_options long_poll_bed() {
  bed_options out;
  out.long_poll = 20s;
  return out;
}

} // namespace

std::vector<scenario> basic_scenarios() {
  return {
    {"a-startup", "start of the process to its first poll, no warm pool", false,
     cold_bed, run_startup},
    {"a-startup-warm", "the same when a warm pool is asked for", true, warm_bed,
     run_startup_warm},
    {"a-idle", "memory, CPU and polls of an idle manager, warm pool", false,
     warm_bed, run_idle_local},
    {"a-idle-plugin", "the same with a fleeting plugin", false, plugin_bed,
     run_idle_plugin},
    {"b1-warm-default", "one tiny job at a time", true, warm_bed, run_default},
    {"b3-warm-longpoll", "the same, GitLab holds requests up to 20 s", true,
     long_poll_bed, run_long_poll},
    {"c1-burst100", "100 tiny jobs at once", true, warm_bed, run_burst100},
    {"c2-burst500", "500 tiny jobs at once", true, warm_bed, run_burst500},
    {"r1-recorded-burst500", "c2, with what the flight recorder has of it",
     false, recorded_bed, run_recorded, 0, false},
    {"r2-unrecorded-burst500", "the same with the flight recorder off", false,
     unrecorded_bed, run_unrecorded, 0, false},
  };
}

} // namespace muster::bench
