#include "actors/trace/timestamps.hpp"

#include "actors/trace/trace_buffer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace muster;

namespace {

class text_sink final : public trace_sink {
public:
  void text(std::string_view bytes) override {
    all += bytes;
  }

  void mask() override {
    all += masked_text;
  }

  std::string all;
};

constexpr int64_t sample_begin_us = 1'790'000'000'000'000;

/// One write of sample B of reference/trace; its time counts from the first.
struct sample_write {
  trace_source source;
  int64_t time_us;
  const char* text; ///< null: the stage ends
};

const sample_write sample_b[] = {
  {trace_source::manager_header, 0,
   "\x1b[0KRunning with muster 1.0.0 (0123abcd)\x1b[0;m\n"},
  {trace_source::manager_header, 52,
   "\x1b[0K  on fleet-b ZYXWVUTSR, system ID: r_AbCdEfGhIjKl\x1b[0;m\n"},
  {trace_source::manager_body, 900,
   "section_start:1790000000:prepare_executor\r\x1b[0K"},
  {trace_source::manager_body, 950,
   "\x1b[0K\x1b[36;1mPreparing the \"docker-autoscaler\" "
   "executor\x1b[0;m\x1b[0;m\n"},
  {trace_source::manager_body, 800000,
   "\x1b[0KDialing instance i-0a1b2c3d...\x1b[0;m\n"},
  {trace_source::manager_body, 1250000,
   "\x1b[0KInstance i-0a1b2c3d connected\x1b[0;m\n"},
  {trace_source::manager_body, 1900000,
   "\x1b[0KUsing Docker executor with image alpine:3.20 ...\x1b[0;m\n"},
  {trace_source::manager_body, 2000000,
   "\x1b[0KUsing effective pull policy of [always] for container "
   "alpine:3.20\x1b[0;m\n"},
  {trace_source::manager_body, 2100000,
   "\x1b[0KPulling docker image alpine:3.20 ...\x1b[0;m\n"},
  {trace_source::manager_body, 4200000,
   "\x1b[0KUsing docker image "
   "sha256:1111111111111111111111111111111111111111111111111111111111111111 "
   "for alpine:3.20 with digest "
   "alpine@sha256:"
   "2222222222222222222222222222222222222222222222222222222222222222 "
   "...\x1b[0;m\n"},
  {trace_source::manager_body, 4500000,
   "section_end:1790000004:prepare_executor\r\x1b[0K"},
  {trace_source::manager_body, 4500010,
   "section_start:1790000004:prepare_script\r\x1b[0K"},
  {trace_source::manager_body, 4500020,
   "\x1b[0K\x1b[36;1mPreparing environment\x1b[0;m\x1b[0;m\n"},
  {trace_source::job_out, 5100000,
   "Running on runner-zyxwvutsr-project-7-concurrent-0 via manager-1...\n"},
  {trace_source::job_out, 5300000, nullptr},
  {trace_source::manager_body, 5300000,
   "section_end:1790000005:prepare_script\r\x1b[0K"},
  {trace_source::manager_body, 5300010,
   "section_start:1790000005:get_sources\r\x1b[0K"},
  {trace_source::manager_body, 5300020,
   "\x1b[0K\x1b[36;1mGetting source from Git repository\x1b[0;m\x1b[0;m\n"},
  {trace_source::job_out, 5700000,
   "\x1b[32;1mSkipping Git repository setup\x1b[0;m\n"},
  {trace_source::job_out, 5700000, "\x1b[32;1mSkipping Git checkout\x1b[0;m\n"},
  {trace_source::job_out, 5700000,
   "\x1b[32;1mSkipping Git submodules setup\x1b[0;m\n"},
  {trace_source::job_out, 5900000, nullptr},
  {trace_source::manager_body, 5900000,
   "section_end:1790000005:get_sources\r\x1b[0K"},
  {trace_source::manager_body, 5900010,
   "section_start:1790000005:step_script\r\x1b[0K"},
  {trace_source::manager_body, 5900020,
   "\x1b[0K\x1b[36;1mExecuting \"step_script\" stage of the job "
   "script\x1b[0;m\x1b[0;m\n"},
  {trace_source::job_out, 6400000, "\x1b[32;1m$ ./test.sh\x1b[0;m\n"},
  {trace_source::job_out, 6500000, "progress 10%\r"},
  {trace_source::job_out, 6600000, "progress 50%\r"},
  {trace_source::job_out, 6700000, "done\n"},
  {trace_source::job_out, 6800000, "no newline yet, "},
  {trace_source::job_err, 6900000, "boom\n"},
  {trace_source::job_out, 7000000, "now complete\n"},
  {trace_source::job_out, 7400000, nullptr},
  {trace_source::manager_body, 7400000,
   "section_end:1790000007:step_script\r\x1b[0K"},
  {trace_source::manager_body, 7400010,
   "section_start:1790000007:cleanup_file_variables\r\x1b[0K"},
  {trace_source::manager_body, 7400020,
   "\x1b[0K\x1b[36;1mCleaning up project directory and file based "
   "variables\x1b[0;m\x1b[0;m\n"},
  {trace_source::job_out, 7900000, nullptr},
  {trace_source::manager_body, 7900000,
   "section_end:1790000007:cleanup_file_variables\r\x1b[0K"},
  {trace_source::manager_final, 7950000,
   "\x1b[31;1mERROR: Job failed: exit code 1\x1b[0;m\n"},
};

const char* const sample_b_log
  = "2026-09-21T14:13:20.000000Z 00O \x1b[0KRunning with muster 1.0.0 "
    "(0123abcd)\x1b[0;m\n"
    "2026-09-21T14:13:20.000052Z 00O \x1b[0K  on fleet-b ZYXWVUTSR, system ID: "
    "r_AbCdEfGhIjKl\x1b[0;m\n"
    "2026-09-21T14:13:20.000900Z 00O "
    "section_start:1790000000:prepare_executor\r\x1b[0K\n"
    "2026-09-21T14:13:20.000950Z 00O+\x1b[0K\x1b[36;1mPreparing the "
    "\"docker-autoscaler\" executor\x1b[0;m\x1b[0;m\n"
    "2026-09-21T14:13:20.800000Z 00O \x1b[0KDialing instance "
    "i-0a1b2c3d...\x1b[0;m\n"
    "2026-09-21T14:13:21.250000Z 00O \x1b[0KInstance i-0a1b2c3d "
    "connected\x1b[0;m\n"
    "2026-09-21T14:13:21.900000Z 00O \x1b[0KUsing Docker executor with image "
    "alpine:3.20 ...\x1b[0;m\n"
    "2026-09-21T14:13:22.000000Z 00O \x1b[0KUsing effective pull policy of "
    "[always] for container alpine:3.20\x1b[0;m\n"
    "2026-09-21T14:13:22.100000Z 00O \x1b[0KPulling docker image alpine:3.20 "
    "...\x1b[0;m\n"
    "2026-09-21T14:13:24.200000Z 00O \x1b[0KUsing docker image "
    "sha256:1111111111111111111111111111111111111111111111111111111111111111 "
    "for alpine:3.20 with digest "
    "alpine@sha256:"
    "2222222222222222222222222222222222222222222222222222222222222222 "
    "...\x1b[0;m\n"
    "2026-09-21T14:13:24.500000Z 00O "
    "section_end:1790000004:prepare_executor\r\x1b[0K\n"
    "2026-09-21T14:13:24.500010Z "
    "00O+section_start:1790000004:prepare_script\r\x1b[0K\n"
    "2026-09-21T14:13:24.500020Z 00O+\x1b[0K\x1b[36;1mPreparing "
    "environment\x1b[0;m\x1b[0;m\n"
    "2026-09-21T14:13:25.100000Z 01O Running on "
    "runner-zyxwvutsr-project-7-concurrent-0 via manager-1...\n"
    "2026-09-21T14:13:25.300000Z 00O "
    "section_end:1790000005:prepare_script\r\x1b[0K\n"
    "2026-09-21T14:13:25.300010Z "
    "00O+section_start:1790000005:get_sources\r\x1b[0K\n"
    "2026-09-21T14:13:25.300020Z 00O+\x1b[0K\x1b[36;1mGetting source from Git "
    "repository\x1b[0;m\x1b[0;m\n"
    "2026-09-21T14:13:25.700000Z 01O \x1b[32;1mSkipping Git repository "
    "setup\x1b[0;m\n"
    "2026-09-21T14:13:25.700000Z 01O \x1b[32;1mSkipping Git checkout\x1b[0;m\n"
    "2026-09-21T14:13:25.700000Z 01O \x1b[32;1mSkipping Git submodules "
    "setup\x1b[0;m\n"
    "2026-09-21T14:13:25.900000Z 00O "
    "section_end:1790000005:get_sources\r\x1b[0K\n"
    "2026-09-21T14:13:25.900010Z "
    "00O+section_start:1790000005:step_script\r\x1b[0K\n"
    "2026-09-21T14:13:25.900020Z 00O+\x1b[0K\x1b[36;1mExecuting "
    "\"step_script\" stage of the job script\x1b[0;m\x1b[0;m\n"
    "2026-09-21T14:13:26.400000Z 01O \x1b[32;1m$ ./test.sh\x1b[0;m\n"
    "2026-09-21T14:13:26.500000Z 01O progress 10%\r\n"
    "2026-09-21T14:13:26.600000Z 01O+progress 50%\r\n"
    "2026-09-21T14:13:26.700000Z 01O+done\n"
    "2026-09-21T14:13:26.900000Z 01E boom\n"
    "2026-09-21T14:13:26.800000Z 01O no newline yet, now complete\n"
    "2026-09-21T14:13:27.400000Z 00O "
    "section_end:1790000007:step_script\r\x1b[0K\n"
    "2026-09-21T14:13:27.400010Z "
    "00O+section_start:1790000007:cleanup_file_variables\r\x1b[0K\n"
    "2026-09-21T14:13:27.400020Z 00O+\x1b[0K\x1b[36;1mCleaning up project "
    "directory and file based variables\x1b[0;m\x1b[0;m\n"
    "2026-09-21T14:13:27.900000Z 00O "
    "section_end:1790000007:cleanup_file_variables\r\x1b[0K\n"
    "2026-09-21T14:13:27.950000Z 00O \x1b[31;1mERROR: Job failed: exit code "
    "1\x1b[0;m\n";

std::string stamped(const std::vector<std::string>& writes) {
  text_sink end;
  timestamper stamps{1, 'O', end};
  stamps.set_time(0);
  for (const auto& write : writes)
    stamps.text(write);
  stamps.close();
  return end.all;
}

const std::string begun = "1970-01-01T00:00:00.000000Z 01O ";
const std::string continued = "1970-01-01T00:00:00.000000Z 01O+";

} // namespace

TEST_CASE("sample B of the reference comes out byte for byte") {
  trace_buffer buffer{{}};
  for (const auto& x : sample_b) {
    if (x.text == nullptr)
      buffer.end_stage(sample_begin_us + x.time_us);
    else
      buffer.append(x.source, sample_begin_us + x.time_us, x.text);
  }
  buffer.finish(sample_begin_us + 8'000'000);
  auto extent = buffer.render();
  CHECK_EQ(buffer.read(0, 1 << 20), sample_b_log);
  CHECK_EQ(extent.size, 2738);
  CHECK_EQ(extent.crc32, 0xfb2d20b1);
}

TEST_CASE("a line has one header, however it is written") {
  struct row {
    const char* what;
    std::vector<std::string> writes;
    std::string expected;
  };
  const std::string big(8192 - 32, 'x');
  const row rows[] = {
    {"nothing", {}, ""},
    {"one line", {"a\n"}, begun + "a\n"},
    {"empty lines", {"\n\n"}, begun + "\n" + begun + "\n"},
    {"in pieces", {"a", "b", "\n"}, begun + "ab\n"},
    {"ended by closing", {"a"}, begun + "a\n"},
    {"a return cuts", {"a\rb", "c\n"}, begun + "a\rb\n" + continued + "c\n"},
    {"a return within lines does not", {"a\rb\n"}, begun + "a\rb\n"},
    {"a return completes what waits",
     {"a", "b\r", "c\n"},
     begun + "ab\r\n" + continued + "c\n"},
    {"only the next line continues",
     {"a\r", "b\n", "c\n"},
     begun + "a\r\n" + continued + "b\n" + begun + "c\n"},
    {"lines, then a return", {"a\nb\r"}, begun + "a\n" + begun + "b\r\n"},
    {"waiting up to 8 KiB with the header",
     {big.substr(1), "y", "\n"},
     begun + big.substr(1) + "y\n"},
    {"cut beyond", {big, "y", "z\n"}, begun + big + "y\n" + continued + "z\n"},
    {"cut at once if nothing waits",
     {std::string(8193, 'x'), "z"},
     begun + std::string(8193, 'x') + "\n" + continued + "z\n"},
    {"8 KiB at once wait",
     {std::string(8192, 'x'), "z"},
     begun + std::string(8192, 'x') + "z\n"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(stamped(r.writes), r.expected);
  }
}

TEST_CASE("a header shows the time of the line's first byte, truncated") {
  struct row {
    int64_t unix_us;
    const char* expected;
  };
  const row rows[] = {
    {0, "1970-01-01T00:00:00.000000Z 00E x\n"},
    {-5, "1970-01-01T00:00:00.000000Z 00E x\n"},
    {951'782'399'999'999, "2000-02-28T23:59:59.999999Z 00E x\n"},
    {951'782'400'000'000, "2000-02-29T00:00:00.000000Z 00E x\n"},
    {4'102'444'799'000'001, "2099-12-31T23:59:59.000001Z 00E x\n"},
    {INT64_MAX, "9999-12-31T23:59:59.999999Z 00E x\n"},
  };
  for (const auto& r : rows) {
    text_sink end;
    timestamper stamps{0, 'E', end};
    stamps.set_time(r.unix_us);
    stamps.text("x");
    stamps.set_time(1'000'000'000'000'000);
    stamps.text("\n");
    CHECK_EQ(end.all, r.expected);
  }
}
