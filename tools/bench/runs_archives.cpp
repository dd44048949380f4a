#include "tools/bench/jobs.hpp"
#include "tools/bench/scenarios.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <optional>
#include <string_view>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 300s;
constexpr int64_t artifact_bytes = int64_t{1} << 30;

/// Looks at what the helper's commands have of memory, on the whole host, until
/// it is told that it is enough; prints the most that one had [KiB].
constexpr auto watch_script
  = "set +e; peak=0; while [ ! -e \"$HOME/enough\" ]; do "
    "for p in /proc/[0-9]*; do "
    "if tr '\\0' ' ' <\"$p/cmdline\" | grep -q ' artifacts-'; then "
    "n=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' \"$p/status\" || :); "
    "[ \"${n:-0}\" -le \"$peak\" ] || peak=$n; fi; done 2>/dev/null; "
    "sleep 0.1; done; echo \"peak=$peak\"";

nlohmann::json plain_job(const std::string& name, const std::string& script) {
  auto job = script_job(name, script);
  job["variables"]
    = {{"GIT_STRATEGY", "empty"}, {"ARTIFACT_COMPRESSION_LEVEL", "fastest"}};
  return job;
}

/// Runs a job to its end; how long it took from when it was handed out [s].
result<double, bench_errc> seconds_of(bed& on, const nlohmann::json& job,
                                      int64_t& id) {
  auto ids = queue(on, job, 1);
  if (!ids)
    return tl::unexpected{ids.error()};
  id = ids->front();
  auto ended = [&] {
    auto x = on.gitlab().job(id);
    return x && x->finished_us > 0;
  };
  if (!wait_until(std::chrono::steady_clock::now() + patience, ended))
    return fail(bench_errc::failed,
                fmt::format("job {} did not end within {} s", id,
                            std::chrono::seconds{patience}.count()));
  auto x = on.gitlab().job(id);
  return static_cast<double>(x->finished_us - x->handed_out_us) / 1e6;
}

/// The number behind `peak=`; nothing if the job has not printed it.
std::optional<int64_t> peak_kib(const std::string& trace) {
  constexpr std::string_view before = "O peak=";
  auto at = trace.rfind(before);
  if (at == std::string::npos)
    return std::nullopt;
  return std::strtoll(trace.c_str() + at + before.size(), nullptr, 10);
}

result<void, bench_errc> run_artifact(bed& on, recorder& to, bool) {
  if (auto warm = on.wait_warm(); !warm)
    return tl::unexpected{warm.error()};
  auto watching = queue(on, plain_job("watch", watch_script), 1);
  if (!watching)
    return tl::unexpected{watching.error()};
  auto upload
    = plain_job("upload", fmt::format("truncate -s {} big", artifact_bytes));
  upload["artifacts"] = {{"paths", {"big"}}};
  int64_t id = 0;
  auto up = seconds_of(on, upload, id);
  if (!up)
    return tl::unexpected{up.error()};
  auto download = plain_job(
    "download", fmt::format("test $(stat -c %s big) = {}", artifact_bytes));
  download["dependencies"] = {id};
  auto down = seconds_of(on, download, id);
  if (!down)
    return tl::unexpected{down.error()};
  if (auto told = seconds_of(on, plain_job("end", "touch $HOME/enough"), id);
      !told)
    return tl::unexpected{told.error()};
  if (auto ended = on.wait_jobs(patience); !ended)
    return ended;
  auto peak = peak_kib(on.gitlab().trace(watching->front()));
  if (!peak || *peak == 0)
    return fail(bench_errc::failed, "no command of the helper was seen");
  to.add({"job that uploads 1 GiB", "s", 1, std::nullopt, ""}, *up);
  to.add({"job that downloads it", "s", 1, std::nullopt, ""}, *down);
  to.add({"peak memory of the helper's commands", "MiB", 1, 24, ""},
         mib(*peak));
  to.add({"peak memory of the manager", "MiB", 1, 48, ""},
         mib(on.manager().memory().peak));
  return {};
}

bed_options one_host() {
  bed_options out;
  out.hosts = 1;
  out.slots = 3;
  return out;
}

} // namespace

std::vector<scenario> archive_scenarios() {
  return {{"k1-artifact-1g", "an artifact of 1 GiB, up and down", false,
           one_host, run_artifact, 1, false}};
}

} // namespace muster::bench
