#include "executors/plan/trace_text.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

const std::string esc = "\x1b";

/// CRC-32 (IEEE) as GitLab has it of a trace.
uint32_t crc32_of(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (unsigned char c : bytes) {
    crc ^= c;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

std::string notice(const std::string& text) {
  return esc + "[32;1m" + text + esc + "[0;m\n";
}

/// One stage of the sample: markers and heading around its output.
std::string stage(int64_t from, int64_t to, const std::string& name,
                  const std::string& heading, const std::string& output) {
  return trace_text::section_start(from, name) + trace_text::heading(heading)
         + output + trace_text::section_end(to, name);
}

std::string sample_a() {
  constexpr int64_t t = 1790000000;
  return trace_text::header({.version = "1.0.0",
                             .revision = "0123abcd",
                             .runner_name = "fleet-a",
                             .short_token = "ABCDEFGHI",
                             .system_id = "s_0123456789ab",
                             .changed_flags = "FF_TIMESTAMPS:false"})
         + trace_text::section_start(t, "prepare_executor")
         + trace_text::prepare_executor_heading("instance")
         + trace_text::preparing_instance()
         + trace_text::dialing_instance("i-0a1b2c3d", "", "")
         + trace_text::instance_connected("i-0a1b2c3d")
         + trace_text::section_end(t + 4, "prepare_executor")
         + stage(t + 4, t + 5, "prepare_script", "Preparing environment",
                 "Running on ip-10-0-0-12 via manager-1...\n")
         + stage(
           t + 5, t + 7, "get_sources", "Getting source from Git repository",
           notice("Gitaly correlation ID: 0123456789abcdef0123456789abcdef")
             + notice("Fetching changes with git depth set to 20...")
             + "Initialized empty Git repository in "
               "/home/ubuntu/builds/ABCDEFGHI/0/group/demo/.git/\n"
             + notice("Created fresh repository.")
             + notice("Checking out 01234567 as detached HEAD (ref is main)...")
             + notice("Skipping Git submodules setup"))
         + stage(t + 7, t + 9, "step_script",
                 "Executing \"step_script\" stage of the job script",
                 notice("$ echo \"key is $API_KEY\"") + "key is [MASKED]\n"
                   + notice("$ make test # collapsed multi-line command")
                   + "ok\n")
         + stage(t + 9, t + 10, "cleanup_file_variables",
                 "Cleaning up project directory and file based variables", "")
         + trace_text::job_succeeded();
}

} // namespace

TEST_CASE("the documented trace of a job comes out byte for byte") {
  auto trace = sample_a();
  CHECK_EQ(trace.size(), 1534u);
  CHECK_EQ(crc32_of(trace), 0x4e31a311u);
}

TEST_CASE("lines have their colours, prefixes and ends") {
  CHECK_EQ(trace_text::plain("x"), esc + "[0Kx" + esc + "[0;m\n");
  CHECK_EQ(trace_text::info("x"), esc + "[32;1mx" + esc + "[0;m\n");
  CHECK_EQ(trace_text::warning("x"), esc + "[0;33mWARNING: x" + esc + "[0;m\n");
  CHECK_EQ(trace_text::soft_error("x"),
           esc + "[31;1mERROR: x" + esc + "[0;m\n");
  CHECK_EQ(trace_text::error("x"), esc + "[31;1mERROR: x" + esc + "[0;m\n");
  CHECK_EQ(trace_text::heading("x"),
           esc + "[0K" + esc + "[36;1mx" + esc + "[0;m" + esc + "[0;m\n");
}

TEST_CASE("the header leaves out what there is nothing to say about") {
  trace_text::header_facts facts;
  facts.version = "1";
  facts.revision = "r";
  CHECK_EQ(trace_text::header(facts),
           esc + "[0KRunning with muster 1 (r)" + esc + "[0;m\n");
}

TEST_CASE("addresses are shown when they are given") {
  CHECK_EQ(trace_text::dialing_instance("i", "10.0.0.1", "192.0.2.1"),
           trace_text::plain("Dialing instance i, 10.0.0.1, 192.0.2.1..."));
  CHECK_EQ(trace_text::dialing_instance("i", "", "192.0.2.1"),
           trace_text::plain("Dialing instance i, 192.0.2.1..."));
}

TEST_CASE("the final line tells each outcome in the documented words") {
  struct row {
    std::string line;
    std::string expected;
  };
  using namespace trace_text;
  const row rows[] = {
    {job_succeeded(), "[32;1mJob succeeded"},
    {job_failed(script_exited(1)),
     "[31;1mERROR: Job failed: run exit (exit code: 1): Process exited with "
     "status 1"},
    {job_failed(script_exited(1, true)),
     "[31;1mERROR: Job failed: exit code 1"},
    {job_failed(job_timed_out(1h)),
     "[31;1mERROR: Job failed: execution took longer than 1h0m0s seconds"},
    {job_failed(script_timed_out()),
     "[31;1mERROR: Job failed: script timeout: context deadline exceeded"},
    {job_failed(prepare_timed_out(5min)),
     "[31;1mERROR: Job failed: prepare timeout: exceeded timeout of 5m0s"},
    {job_failed(get_sources_timed_out(90s)),
     "[31;1mERROR: Job failed: get sources timeout: exceeded timeout of "
     "1m30s"},
    {job_failed(canceled()), "[31;1mERROR: Job failed: canceled"},
    {job_failed(aborted_by_terminate()),
     "[31;1mERROR: Job failed: aborted: terminated"},
    {job_failed(aborted_by_interrupt()),
     "[31;1mERROR: Job failed: aborted: interrupt"},
    {job_failed_by_system(acquire_timed_out(15min)),
     "[31;1mERROR: Job failed (system failure): unable to acquire instance "
     "within the configured timeout of 15m0s: context deadline exceeded"},
    {job_failed_by_system(panicked("x")),
     "[31;1mERROR: Job failed (system failure): panic: x"},
    {job_failed(environment_failed("exit status 1")),
     "[31;1mERROR: Job failed: prepare environment: exit status 1. Check "
     "https://docs.gitlab.com/runner/shells/#shell-profile-loading for more "
     "information"},
  };
  for (const auto& r : rows)
    CHECK_EQ(r.line, esc + r.expected + esc + "[0;m\n");
}

TEST_CASE("other fixed lines have the documented words") {
  using namespace trace_text;
  CHECK_EQ(preparation_failed("no", 3s), soft_error("Preparation failed: no")
                                           + info("Will be retried in 3s ..."));
  CHECK_EQ(retrying(), warning("Retrying..."));
  CHECK_EQ(canceled_externally(),
           warning("script canceled externally (UI, API)"));
  CHECK(stage_out_of_time("step_script")
          .starts_with(esc
                       + "[0;33mWARNING: step_script could not run to "
                         "completion because the timeout was exceeded. "));
  CHECK_EQ(after_script_failed("x"),
           warning("after_script failed, but job will continue unaffected: x"));
  CHECK_EQ(still_unwinding(),
           warning("Timed out waiting for the build to finish"));
}
