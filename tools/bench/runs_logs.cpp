#include "tools/bench/jobs.hpp"
#include "tools/bench/scenarios.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;

/// Stands before each time that a job prints.
constexpr std::string_view mark = "printed=";

/// What jobs print in a scenario, and what is expected of the manager.
struct flood {
  size_t jobs = 1;
  int kib_a_second = 0; ///< of each job; 0: as fast as it can
  int kib_a_piece = 0;  ///< written at once, with the time in front
  int pieces = 0;       ///< of each job

  double mib_total() const {
    return static_cast<double>(jobs) * pieces * kib_a_piece / 1024;
  }
};

/// Writes pieces of lines of 100 bytes; each piece begins with the time. The
/// pace is kept by the clock: what was late is made up for.
std::string flood_script(const flood& x) {
  auto pause = x.kib_a_second == 0
                 ? 0.0
                 : static_cast<double>(x.kib_a_piece) / x.kib_a_second;
  return fmt::format(
    "perl -MTime::HiRes=time,sleep -e '"
    "my $line = (\"x\" x 99) . \"\\n\"; my $size = {} * 1024;"
    "my $rest = substr($line x ($size / 100 + 1), -$size);"
    "my $start = time;"
    "for my $n (0 .. {}) {{"
    "  my $late = $start + $n * {:.6f} - time; sleep $late if $late > 0;"
    "  my $piece = sprintf(\"{}%.0f\\n\", time * 1e9);"
    "  $piece .= substr($rest, length $piece);"
    "  my $done = 0;"
    "  while ($done < $size) {{"
    "    my $n = syswrite(STDOUT, $piece, $size - $done, $done);"
    "    defined $n or die \"cannot write: $!\"; $done += $n;"
    "  }}"
    "}}'",
    x.kib_a_piece, x.pieces - 1, pause, mark);
}

/// What came of the logs of some jobs.
struct log_times {
  std::vector<double> delays; ///< line printed -> with GitLab [ms]
  double seconds = 0;         ///< first line printed -> last piece with GitLab
};

result<log_times, bench_errc>
log_times_of(bed& on, const std::vector<int64_t>& ids, size_t stamps_expected) {
  log_times out;
  int64_t first_ns = INT64_MAX;
  int64_t last_us = 0;
  for (auto id : ids) {
    auto job = on.gitlab().job(id);
    auto stamps = stamps_of(on.gitlab().trace(id), mark);
    if (!job || stamps.size() != stamps_expected)
      return fail(
        bench_errc::failed,
        fmt::format("the log of job {} has {} of {} lines with a time", id,
                    stamps.size(), stamps_expected));
    auto delays = delays_of(stamps, job->arrivals);
    out.delays.insert(out.delays.end(), delays.begin(), delays.end());
    first_ns = std::min(first_ns, stamps.front().printed_ns);
    for (const auto& piece : job->arrivals)
      last_us = std::max(last_us, piece.at_us);
  }
  out.seconds = static_cast<double>(last_us - first_ns / 1000) / 1e6;
  return out;
}

struct delay_goals {
  std::optional<double> p50;
  std::optional<double> p95;
  std::optional<double> max;
  const char* peer_p50;
  const char* peer_p95;
  const char* peer_max;
};

void add_delays(recorder& to, const log_times& times,
                const delay_goals& goals) {
  for (auto x : times.delays) {
    to.add({"delay p50", "ms", 0.5, goals.p50, goals.peer_p50}, x);
    to.add({"delay p95", "ms", 0.95, goals.p95, goals.peer_p95}, x);
    to.add({"delay max", "ms", 1, goals.max, goals.peer_max}, x);
  }
}

/// Runs jobs to their end. Returns what CPU time the manager used meanwhile.
result<std::chrono::nanoseconds, bench_errc>
run_jobs(bed& on, const nlohmann::json& job, size_t copies,
         std::chrono::milliseconds at_most, std::vector<int64_t>& ids) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  if (auto rested = on.rest(500ms); !rested)
    return tl::unexpected{rested.error()};
  auto cpu = on.manager().cpu();
  auto queued = queue(on, job, copies);
  if (!queued)
    return tl::unexpected{queued.error()};
  ids = std::move(*queued);
  if (auto ended = on.wait_jobs(at_most); !ended)
    return tl::unexpected{ended.error()};
  return on.manager().cpu() - cpu;
}

// -- b4: lines now and then ---------------------------------------------------

result<void, bench_errc> run_trace_delay(bed& on, recorder& to, bool) {
  constexpr int lines = 80;
  auto job = script_job(
    "lines",
    fmt::format("for i in {{1..{}}}; do echo \"{}${{EPOCHREALTIME/[.,]/"
                "}}000\"; sleep 0.25; done",
                lines, mark));
  std::vector<int64_t> ids;
  auto used = run_jobs(on, job, 4, 60s, ids);
  if (!used)
    return tl::unexpected{used.error()};
  auto times = log_times_of(on, ids, lines);
  if (!times)
    return tl::unexpected{times.error()};
  add_delays(to, *times, {500, 1000, 1000, "1449 ms", "2816 ms", "2995 ms"});
  size_t patches = 0;
  for (auto id : ids)
    patches += on.gitlab().job(id)->arrivals.size();
  to.add({"patches a job and second", "", 0.5, std::nullopt, "0.33"},
         static_cast<double>(patches) / times->seconds
           / static_cast<double>(ids.size()));
  return {};
}

// -- d: floods ----------------------------------------------------------------

struct flood_goals {
  delay_goals delay;
  figure_info rate;
  figure_info cpu;
  figure_info peak;
};

result<void, bench_errc> run_flood(bed& on, recorder& to, const flood& what,
                                   const flood_goals& goals) {
  std::vector<int64_t> ids;
  auto used = run_jobs(on, script_job("flood", flood_script(what)), what.jobs,
                       180s, ids);
  if (!used)
    return tl::unexpected{used.error()};
  auto times = log_times_of(on, ids, static_cast<size_t>(what.pieces));
  if (!times)
    return tl::unexpected{times.error()};
  add_delays(to, *times, goals.delay);
  to.add(goals.rate, what.mib_total() / times->seconds);
  to.add(goals.cpu, ms(*used) / what.mib_total());
  to.add(goals.peak, mib(on.manager().memory().peak));
  return {};
}

/// 20 pieces a second for 20 s.
flood steady(size_t jobs, int kib_a_second) {
  return {jobs, kib_a_second, kib_a_second / 20, 400};
}

result<void, bench_errc> run_50x256k(bed& on, recorder& to, bool) {
  // 12.8 KiB are no whole number: 16 times a second.
  return run_flood(on, to, {50, 256, 16, 320},
                   {{std::nullopt, 1000, std::nullopt, "1.6 s", "2.9 s", ""},
                    {"rate", "MiB/s", 0.5, std::nullopt, "", true},
                    {"CPU of the manager a MiB", "ms", 0.5, 10, "20 ms"},
                    {"peak memory", "MiB", 0.5, 64, "116 MiB"}});
}

result<void, bench_errc> run_50x1m(bed& on, recorder& to, bool) {
  return run_flood(on, to, steady(50, 1024),
                   {{std::nullopt, 1500, std::nullopt, "8.2 s", "14.2 s", ""},
                    {"rate", "MiB/s", 0.5, std::nullopt, "46 MiB/s", true},
                    {"CPU of the manager a MiB", "ms", 0.5, 7, "14 ms"},
                    {"peak memory", "MiB", 0.5, 96, "163 MiB"}});
}

result<void, bench_errc> run_1x40m(bed& on, recorder& to, bool) {
  return run_flood(on, to, {1, 0, 64, 640},
                   {{std::nullopt, std::nullopt, std::nullopt, "", "", ""},
                    {"rate", "MiB/s", 0.5, 100, "83 MiB/s", true},
                    {"CPU of the manager a MiB", "ms", 0.5, 8, "16 ms"},
                    {"peak memory", "MiB", 0.5, std::nullopt, ""}});
}

result<void, bench_errc> run_container_40m(bed& on, recorder& to, bool) {
  return run_flood(on, to, {1, 0, 64, 640},
                   {{std::nullopt, std::nullopt, std::nullopt, "", "", ""},
                    {"rate", "MiB/s", 0.5, std::nullopt, "", true},
                    {"CPU of the manager a MiB", "ms", 0.5, 8, ""},
                    {"peak memory", "MiB", 0.5, 32, ""}});
}

bed_options few_jobs() {
  return {};
}

/// Logs that are larger than what a job may print by default.
bed_options loud_job() {
  bed_options out;
  out.output_limit_kib = 128 << 10;
  return out;
}

bed_options loud_container() {
  auto out = loud_job();
  out.containers = true;
  out.hosts = 1;
  out.slots = 1;
  return out;
}

bed_options loud_jobs() {
  auto out = loud_job();
  out.slots = 13;
  return out;
}

} // namespace

std::vector<scenario> log_scenarios() {
  return {
    {"b4-trace-delay", "4 jobs, 4 lines a second each for 20 s", false,
     few_jobs, run_trace_delay, 1},
    {"d1-trace-50x256k", "50 jobs, 256 KiB a second each for 20 s", false,
     loud_jobs, run_50x256k, 1},
    {"d2-trace-50x1m", "50 jobs, 1 MiB a second each for 20 s", false,
     loud_jobs, run_50x1m, 1},
    {"d3-trace-1x40m", "one job prints 40 MiB at once", false, loud_job,
     run_1x40m},
    {"h4-docker-1x40m", "the same in a container", false, loud_container,
     run_container_40m, 0, false},
  };
}

} // namespace muster::bench
