#pragma once

#include "tools/bench/bed.hpp"
#include "tools/bench/delays.hpp"

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::bench {

/// Milliseconds, as figures have them.
double ms(std::chrono::nanoseconds time);
/// MiB of KiB, as figures have them.
double mib(int64_t kib);

/// Prints the time twice: behind `first ` and `last `.
nlohmann::json tiny_job();

/// A job that clones nothing.
nlohmann::json script_job(const std::string& name, const std::string& script);

/// How a tiny job's time was spent.
struct job_times {
  std::chrono::nanoseconds pick_up; ///< queued -> handed out
  std::chrono::nanoseconds start;   ///< handed out -> first script line ran
  std::chrono::nanoseconds
    finish; ///< last script line ran -> final state taken
};

/// Errors: `failed` if the job did not print the time.
result<job_times, bench_errc> times_of(test_gitlab& gitlab, int64_t id);

/// Errors: `cannot_start`.
result<std::vector<int64_t>, bench_errc>
queue(bed& on, const nlohmann::json& job, size_t copies);

/// From the first of the jobs queued to the last one ended [s].
double makespan_of(test_gitlab& gitlab, const std::vector<int64_t>& ids);

} // namespace muster::bench
