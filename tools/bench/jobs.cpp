#include "tools/bench/jobs.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster::bench {

using std::chrono::nanoseconds;

double ms(nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

double mib(int64_t kib) {
  return static_cast<double>(kib) / 1024;
}

nlohmann::json script_job(const std::string& name, const std::string& script) {
  return {{"name", name},
          {"script", {script}},
          {"variables", {{"GIT_STRATEGY", "none"}}}};
}

nlohmann::json tiny_job() {
  auto job = script_job("tiny", "echo \"first $(date +%s%N)\"");
  job["script"].push_back("echo \"last $(date +%s%N)\"");
  return job;
}

result<job_times, bench_errc> times_of(test_gitlab& gitlab, int64_t id) {
  auto trace = gitlab.trace(id);
  auto first = printed_time(trace, "first ");
  auto last = printed_time(trace, "last ");
  auto job = gitlab.job(id);
  if (!job || !first || !last)
    return fail(
      bench_errc::failed,
      fmt::format("job {} did not print the time; its log:\n{}", id, trace));
  auto ns = [](int64_t us) { return nanoseconds{us * 1000}; };
  return job_times{ns(job->handed_out_us - job->queued_us),
                   nanoseconds{*first} - ns(job->handed_out_us),
                   ns(job->finished_us) - nanoseconds{*last}};
}

result<std::vector<int64_t>, bench_errc>
queue(bed& on, const nlohmann::json& job, size_t copies) {
  auto ids = on.gitlab().enqueue(job, copies);
  if (!ids)
    return fail(bench_errc::cannot_start, ids.error().text);
  return *ids;
}

double makespan_of(test_gitlab& gitlab, const std::vector<int64_t>& ids) {
  int64_t queued_us = INT64_MAX;
  int64_t finished_us = 0;
  for (auto id : ids)
    if (auto job = gitlab.job(id)) {
      queued_us = std::min(queued_us, job->queued_us);
      finished_us = std::max(finished_us, job->finished_us);
    }
  return static_cast<double>(finished_us - queued_us) / 1e6;
}

} // namespace muster::bench
