#include "tests/e2e/manager/world.hpp"
#include "tests/support/sanitized.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

/// Far below what is printed, and above what a manager with a few jobs needs.
constexpr int64_t memory_max_kib = is_sanitized ? 1 << 20 : 48 << 10;

/// The most memory that a process ever had [KiB].
int64_t peak_memory(pid_t pid) {
  std::ifstream in{fmt::format("/proc/{}/status", pid)};
  int64_t peak = 0;
  for (std::string word; in >> word;)
    if (word == "VmHWM:")
      in >> peak;
  return peak;
}

/// Prints lines of 100 bytes. The shell has `pipefail`, and `yes` is ended by a
/// signal.
std::string flood_of(int64_t bytes) {
  return fmt::format("{{ yes {} || true; }} | head -c {}", std::string(99, 'x'),
                     bytes);
}

/// An instance's jobs share its /tmp: the flood ends when the other job has.
constexpr auto enough = "/tmp/enough";

std::string endless_flood() {
  return fmt::format("until [ -e {} ]; do {}; done", enough,
                     flood_of(4'000'000));
}

std::string patient_job() {
  return fmt::format("for i in 1 2 3 4 5; do echo \"line $i of 5\"; sleep 0.2; "
                     "done; touch {}",
                     enough);
}

world::settings loud(int limit_kib) {
  world::settings how;
  how.manager.runner.push_back(fmt::format("output_limit = {}", limit_kib));
  return how;
}

uint64_t log_size(const world& x, int64_t id) {
  return x.gitlab.job(id)->trace_size;
}

} // namespace

TEST_CASE("a flood of output neither grows memory nor stalls others") {
  world x{loud(8 << 20)};
  auto flood = x.enqueue_script(endless_flood());
  REQUIRE(eventually([&] { return log_size(x, flood) > 8'000'000; }));
  auto other = x.enqueue_script(patient_job());
  CHECK_EQ(x.ended(other).state, job_state::success);
  CHECK_NE(x.log(other).find("\nline 5 of 5"), std::string::npos);
  auto job = x.ended(flood);
  CHECK_EQ(job.state, job_state::success);
  CHECK_LE(peak_memory(x.manager->pid()), memory_max_kib);
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("a flood beyond the limit is read on, and its end is told") {
  world x{loud(1024)};
  auto id = x.enqueue_script(flood_of(64'000'000) + "; exit 3");
  auto job = x.ended(id);
  CHECK_EQ(job.exit_code, 3);
  auto log = x.gitlab.trace(id);
  CHECK_GT(log.size(), 1024 << 10);
  CHECK_LT(log.size(), (1024 << 10) + 1000);
  auto notice = log.find("Job's log exceeded limit of 1048576 bytes.");
  REQUIRE_NE(notice, std::string::npos);
  CHECK_NE(log.find("ERROR: Job failed: run exit (exit code: 3)", notice),
           std::string::npos);
  CHECK_LE(peak_memory(x.manager->pid()), memory_max_kib);
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("output that GitLab does not take stays at the instance") {
  constexpr int64_t size = 40'000'000;
  world x{loud(1 << 20)};
  x.gitlab.enqueue({{"script", "true"}}, 0);
  auto flood = x.enqueue_script("until [ -e /tmp/go ]; do sleep 0.1; done; "
                                + flood_of(size) + "; touch /tmp/printed");
  auto rule = x.gitlab.fail_with({.at = endpoint::trace,
                                  .kind = fault_kind::status,
                                  .job = flood,
                                  .state = {},
                                  .status = 503});
  auto other = x.enqueue_script(
    "touch /tmp/go; until [ -e /tmp/printed ]; do sleep 0.1; done; echo done");
  CHECK_EQ(x.ended(other).state, job_state::success); // the script went on
  CHECK_LE(peak_memory(x.manager->pid()), memory_max_kib);
  x.gitlab.faults().remove(rule);
  CHECK_EQ(x.ended(flood).state, job_state::success);
  auto log = x.gitlab.trace(flood);
  CHECK_EQ(count_of("01O " + std::string(99, 'x') + "\n", log), size / 100);
  CHECK_LE(peak_memory(x.manager->pid()), memory_max_kib);
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("whatever bytes a job prints reach GitLab as text") {
  world x;
  auto id = x.enqueue(
    {{"script",
      {"printf 'nul \\000 here\\n'", "printf 'bad \\377\\376 bytes\\n'",
       "printf '\\342\\202'; sleep 0.3; printf '\\254uro\\n'",
       "printf 'half hunter'; sleep 0.3; printf '22hunter22\\n'",
       "printf 'wait\\r'; sleep 0.3; printf 'done\\n'",
       "head -c 3000000 /dev/zero | tr '\\0' y"}},
     {"masked", {{"PASSWORD", "hunter22hunter22"}}},
     {"variables", {{"GIT_STRATEGY", "none"}}}});
  CHECK_EQ(x.ended(id).state, job_state::success);
  auto log = x.gitlab.trace(id);
  for (const auto& part :
       {std::string{"01O nul \0 here\n", 15},
        std::string{"01O bad \ufffd\ufffd bytes\n"},
        std::string{"01O \u20acuro\n"}, std::string{"01O half [MASKED]\n"},
        std::string{"01O wait\r\n"}, std::string{"01O+done\n"}})
    CHECK_MESSAGE(log.find(part) != std::string::npos, part);
  auto begin = log.find("01O y");
  REQUIRE_NE(begin, std::string::npos);
  auto end = log.find("section_end", begin);
  REQUIRE_NE(end, std::string::npos);
  auto shown = log.substr(begin, end - begin);
  CHECK_EQ(std::count(shown.begin(), shown.end(), 'y'), 3'000'000);
  CHECK_NE(log.find("\x1b[32;1mJob succeeded\x1b[0;m\n", begin),
           std::string::npos);
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}
