#include "tools/bench/engines.hpp"
#include "tools/bench/jobs.hpp"
#include "tools/bench/scenarios.hpp"

#include <algorithm>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;

constexpr int singles = 10;

/// As `tiny_job`: busybox's date knows no nanoseconds, bash does.
nlohmann::json tiny_container_job() {
  auto job = script_job("tiny", "echo \"first ${EPOCHREALTIME/[.,]/}000\"");
  job["script"].push_back("echo \"last ${EPOCHREALTIME/[.,]/}000\"");
  return job;
}

double between_ms(int64_t from_us, int64_t to_us) {
  return static_cast<double>(to_us - from_us) / 1e3;
}

bool is_start(const engine_call& x) {
  return x.what.find("/containers/") != std::string::npos
         && x.what.ends_with("/start");
}

/// When the first of some calls came, since `from_us` [ms].
void add_moment(recorder& to, const std::string& name,
                const std::vector<engine_call>& calls, int64_t from_us,
                std::string_view part) {
  auto found
    = std::find_if(calls.begin(), calls.end(), [&](const engine_call& x) {
        return x.at_us >= from_us && x.what.find(part) != std::string::npos;
      });
  if (found != calls.end())
    to.add({name, "ms", 0.5, std::nullopt, ""},
           between_ms(from_us, found->at_us));
}

/// Where the time of a job went: since it was handed out.
void add_timeline(recorder& to, const std::vector<engine_call>& calls,
                  int64_t handed_out_us) {
  add_moment(to, "to the first call", calls, handed_out_us, "/");
  add_moment(to, "to a container's start", calls, handed_out_us, "/start");
  add_moment(to, "to the helper's first command", calls, handed_out_us,
             "/exec/");
  add_moment(to, "to the script's container", calls, handed_out_us, "/attach");
}

// -- h1: one at a time --------------------------------------------------------

result<void, bench_errc> run_floor(bed& on, recorder& to) {
  for (int i = 0; i < 5; ++i) {
    auto times = time_container(on.engine_sockets().front());
    if (!times)
      return fail(bench_errc::failed, "the Engine makes no container");
    to.add({"Engine alone: create", "ms", 0.5, std::nullopt, ""},
           ms(times->create));
    to.add({"Engine alone: start", "ms", 0.5, std::nullopt, ""},
           ms(times->start));
  }
  return {};
}

result<job_times, bench_errc> run_single(bed& on, int64_t& id) {
  auto ids = queue(on, tiny_container_job(), 1);
  if (!ids)
    return tl::unexpected{ids.error()};
  id = ids->front();
  if (auto ended = on.wait_jobs(60s); !ended)
    return tl::unexpected{ended.error()};
  if (auto rested = on.rest(2s); !rested) // containers go after the job
    return tl::unexpected{rested.error()};
  return times_of(on.gitlab(), id);
}

result<void, bench_errc> run_one_job(bed& on, recorder& to, bool) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  int64_t id = 0;
  if (auto first = run_single(on, id); !first)
    return tl::unexpected{first.error()};
  if (auto known = run_floor(on, to); !known)
    return known;
  for (int i = 0; i < singles; ++i) {
    auto before = on.engine_calls().size();
    auto bytes = on.bytes_on_wire();
    auto times = run_single(on, id);
    if (!times)
      return tl::unexpected{times.error()};
    auto calls = on.engine_calls();
    calls.erase(calls.begin(),
                calls.begin() + static_cast<std::ptrdiff_t>(before));
    auto job = on.gitlab().job(id);
    to.add({"start p50", "ms", 0.5, 580, "1750 ms"}, ms(times->start));
    to.add({"start p95", "ms", 0.95, std::nullopt, ""}, ms(times->start));
    to.add({"handed out to result", "ms", 0.5, 750, "1870 ms"},
           between_ms(job->handed_out_us, job->finished_us));
    to.add({"Engine calls a job", "", 1, 25, "45"},
           static_cast<double>(calls.size()));
    to.add(
      {"container starts a job", "", 1, 3, "3"},
      static_cast<double>(std::count_if(calls.begin(), calls.end(), is_start)));
    if (auto more = on.bytes_on_wire(); bytes && more)
      to.add({"to and from the host", "KiB", 0.5, std::nullopt, ""},
             (*more - *bytes) / 1024);
    add_timeline(to, calls, job->handed_out_us);
  }
  return {};
}

// -- h2, h3: many at once -----------------------------------------------------

result<void, bench_errc> run_many(bed& on, recorder& to, size_t jobs,
                                  const figure_info& makespan) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  auto calls = on.engine_calls().size();
  auto cpu = on.manager().cpu();
  auto ids = queue(on, tiny_container_job(), jobs);
  if (!ids)
    return tl::unexpected{ids.error()};
  if (auto ended = on.wait_jobs(300s); !ended)
    return ended;
  if (auto rested = on.rest(3s); !rested) // containers go after jobs
    return rested;
  auto count = static_cast<double>(jobs);
  to.add(makespan, makespan_of(on.gitlab(), *ids));
  for (auto id : *ids) {
    auto times = times_of(on.gitlab(), id);
    if (!times)
      return tl::unexpected{times.error()};
    to.add({"start p50", "ms", 0.5, std::nullopt, ""}, ms(times->start));
  }
  to.add({"Engine calls a job", "", 0.5, 25, "45"},
         static_cast<double>(on.engine_calls().size() - calls) / count);
  to.add({"CPU of the manager a job", "ms", 0.5, std::nullopt, ""},
         ms(on.manager().cpu() - cpu) / count);
  to.add({"peak memory of the manager", "MiB", 0.5, 32, ""},
         mib(on.manager().memory().peak));
  return {};
}

result<void, bench_errc> run_20_jobs(bed& on, recorder& to, bool) {
  return run_many(on, to, 20, {"makespan", "s", 0.5, 13, "26.6 s"});
}

result<void, bench_errc> run_100_jobs(bed& on, recorder& to, bool) {
  return run_many(on, to, 100, {"makespan", "s", 0.5, std::nullopt, ""});
}

bed_options one_host() {
  bed_options out;
  out.containers = true;
  out.hosts = 1;
  out.slots = 8;
  out.long_poll = 20s;
  return out;
}

bed_options four_hosts() {
  auto out = one_host();
  out.hosts = 4;
  out.slots = 5;
  return out;
}

} // namespace

std::vector<scenario> container_scenarios() {
  return {
    {"h1-docker-1job", "one container job at a time, warm", false, one_host,
     run_one_job, 0, false},
    {"h2-docker-20jobs", "20 container jobs on 8 slots of one host", false,
     one_host, run_20_jobs, 0, false},
    {"h3-docker-100jobs", "100 on 4 hosts with 5 slots", false, four_hosts,
     run_100_jobs, 1, false},
  };
}

} // namespace muster::bench
