#include "config/version.hpp"
#include "tests/scenario/job_peers.hpp"

#include <doctest/doctest.h>
#include <optional>

using namespace muster;
using namespace std::chrono_literals;

namespace {

using frames::output_stream;

const std::string esc = "\x1b";
constexpr int64_t second = 1'000'000;

/// A job whose log is looked at, at the time of the samples in reference/trace,
/// sections 5 and 6.
struct fixture : test::job_peers {
  std::optional<job_plan> plan;

  fixture() {
    instance = "i-0a1b2c3d";
    configure([](runner_config& x) {
      x.name = "fleet-a";
      x.token = secret{"glrt-ABCDEFGHIjklmnopqrst"};
    });
    setup.system_id = "s_0123456789ab";
    setup.manager_host = "manager-1";
    setup.role = "job:101";
    auto& payload = setup.payload;
    payload.id = 101;
    payload.name = "";
    payload.trace_sections = true;
    payload.steps = {{"script", {"echo \"key is $API_KEY\""}}};
    payload.variables
      = {{"API_KEY", secret{"hunter2hunter2"}, false, false, true, false}};
  }

  /// The job is accepted and gets its slot; the helper has the plan after
  /// `took`.
  void run(int64_t took = 4 * second) {
    start();
    gitlab_says(200);
    gets_slot();
    *clock += took;
    gets_route();
    start_is_written();
    take_plan();
    wire->last_stream().sink->opened();
    helper_says(frames::accepted{"k"});
  }

  /// What the job sent to its helper.
  void take_plan() {
    frames::decoder decoder;
    decoder.feed(wire->last_stream().sent);
    for (auto x = decoder.next(); x && *x; x = decoder.next())
      if (auto* run = std::get_if<frames::run>(&**x))
        plan = run->plan;
    REQUIRE(plan);
  }

  uint32_t stage(const std::string& name) const {
    for (size_t i = 0; i < plan->stages.size(); ++i)
      if (plan->stages[i].name == name)
        return static_cast<uint32_t>(i);
    FAIL("no stage " << name);
    return 0;
  }

  void begins(const std::string& name, int64_t at_us, uint32_t attempt = 1) {
    helper_says(frames::stage_begun{record++, at_us, stage(name), attempt});
  }

  void ends(const std::string& name, int64_t at_us,
            plan_outcome how = plan_outcome::success, int32_t exit_code = 0,
            uint32_t attempt = 1) {
    helper_says(frames::stage_ended{record++, at_us, stage(name), attempt, how,
                                    exit_code, ""});
  }

  void prints(const std::string& text, int64_t at_us = 0,
              output_stream stream = output_stream::out) {
    helper_says(frames::output{record++, at_us, stream, text});
  }

  void job_ends(const std::string& name, plan_outcome how,
                int32_t exit_code = 0) {
    helper_says(
      frames::job_ended{record++, 0, how, stage(name), exit_code, 0, ""});
  }

  std::string log() {
    auto text = job_peers::log();
    REQUIRE_FALSE(text.empty());
    const auto mine
      = std::string{"muster "} + version_text + " (" + revision_text + ")";
    if (auto at = text.find(mine); at != std::string::npos)
      text.replace(at, mine.size(), "muster 1.0.0 (0123abcd)");
    return text;
  }

  /// The log after the first line that has `mark`.
  std::string log_after(const std::string& mark) {
    auto text = log();
    auto at = text.find(mark);
    REQUIRE_NE(at, std::string::npos);
    return text.substr(text.find('\n', at) + 1);
  }
};

std::string notice(const std::string& text) {
  return esc + "[32;1m" + text + esc + "[0;m\n";
}

std::string warning(const std::string& text) {
  return esc + "[0;33mWARNING: " + text + esc + "[0;m\n";
}

std::string heading(const std::string& text) {
  return esc + "[0K" + esc + "[36;1m" + text + esc + "[0;m" + esc + "[0;m\n";
}

std::string failed(const std::string& why) {
  return esc + "[31;1mERROR: Job failed: " + why + esc + "[0;m\n";
}

/// Where sections may be, but do not matter.
std::string without_sections(std::string text) {
  for (size_t at; (at = text.find("section_")) != std::string::npos;)
    text.erase(at, text.find("[0K", at) + 3 - at);
  return text;
}

} // namespace

TEST_CASE("sample A of the reference comes out of a job byte for byte") {
  fixture f;
  f.run();
  f.begins("prepare_script", 0);
  f.prints("Running on ip-10-0-0-12 via manager-1...\n");
  f.ends("prepare_script", second);
  f.begins("get_sources", second);
  f.prints(notice("Gitaly correlation ID: 0123456789abcdef0123456789abcdef")
           + notice("Fetching changes with git depth set to 20..."));
  f.prints("Initialized empty Git repository in "
           "/home/ubuntu/builds/ABCDEFGHI/0/group/demo/.git/\n");
  f.prints(notice("Created fresh repository.")
           + notice("Checking out 01234567 as detached HEAD (ref is main)...")
           + notice("Skipping Git submodules setup"));
  f.ends("get_sources", 3 * second);
  f.begins("step_script", 3 * second);
  f.prints(notice("$ echo \"key is $API_KEY\""));
  f.prints("key is hunter2");
  f.prints("hunter2\n");
  f.prints(notice("$ make test # collapsed multi-line command") + "ok\n");
  f.ends("step_script", 5 * second);
  f.begins("cleanup_file_variables", 5 * second);
  f.ends("cleanup_file_variables", 6 * second);
  f.job_ends("cleanup_file_variables", plan_outcome::success);
  const std::string expected
    = esc + "[0KRunning with muster 1.0.0 (0123abcd)" + esc + "[0;m\n" + esc
      + "[0K  on fleet-a ABCDEFGHI, system ID: s_0123456789ab" + esc + "[0;m\n"
      + esc + "[0K  feature flags: FF_TIMESTAMPS:false" + esc + "[0;m\n"
      + "section_start:1790000000:prepare_executor\r" + esc + "[0K"
      + heading("Preparing the \"instance\" executor") + esc
      + "[0KPreparing instance..." + esc + "[0;m\n" + esc
      + "[0KDialing instance i-0a1b2c3d..." + esc + "[0;m\n" + esc
      + "[0KInstance i-0a1b2c3d connected" + esc + "[0;m\n"
      + "section_end:1790000004:prepare_executor\r" + esc
      + "[0Ksection_start:1790000004:prepare_script\r" + esc + "[0K"
      + heading("Preparing environment")
      + "Running on ip-10-0-0-12 via manager-1...\n"
      + "section_end:1790000005:prepare_script\r" + esc
      + "[0Ksection_start:1790000005:get_sources\r" + esc + "[0K"
      + heading("Getting source from Git repository")
      + notice("Gitaly correlation ID: 0123456789abcdef0123456789abcdef")
      + notice("Fetching changes with git depth set to 20...")
      + "Initialized empty Git repository in "
        "/home/ubuntu/builds/ABCDEFGHI/0/group/demo/.git/\n"
      + notice("Created fresh repository.")
      + notice("Checking out 01234567 as detached HEAD (ref is main)...")
      + notice("Skipping Git submodules setup")
      + "section_end:1790000007:get_sources\r" + esc
      + "[0Ksection_start:1790000007:step_script\r" + esc + "[0K"
      + heading("Executing \"step_script\" stage of the job script")
      + notice("$ echo \"key is $API_KEY\"") + "key is [MASKED]\n"
      + notice("$ make test # collapsed multi-line command") + "ok\n"
      + "section_end:1790000009:step_script\r" + esc
      + "[0Ksection_start:1790000009:cleanup_file_variables\r" + esc + "[0K"
      + heading("Cleaning up project directory and file based variables")
      + "section_end:1790000010:cleanup_file_variables\r" + esc + "[0K"
      + notice("Job succeeded");
  auto log = f.log();
  CHECK_EQ(log, expected);
  CHECK_EQ(log.size(), 1534);
  trace_buffer sums{{.masked = {},
                     .job_token_prefixes = {},
                     .mask_all_default_tokens = false,
                     .timestamps = false}};
  sums.append(trace_source::manager_body, 0, log);
  sums.finish(0);
  CHECK_EQ(sums.render().crc32, 0x4e31a311);
}

TEST_CASE("the steps of sample B come out of a job byte for byte") {
  fixture f;
  f.configure([](runner_config& x) { x.feature_flags.clear(); });
  f.run(5'900'000);
  f.begins("step_script", 10);
  f.prints(notice("$ ./test.sh"), 500'000);
  f.prints("progress 10%\r", 600'000);
  f.prints("progress 50%\r", 700'000);
  f.prints("done\n", 800'000);
  f.prints("no newline yet, ", 900'000);
  f.prints("boom\n", 1'000'000, output_stream::err);
  f.prints("now complete\n", 1'100'000);
  f.ends("step_script", 1'500'000, plan_outcome::failed, 1);
  f.begins("cleanup_file_variables", 1'500'010);
  f.ends("cleanup_file_variables", 2'000'000);
  f.job_ends("step_script", plan_outcome::failed, 1);
  const auto at
    = [](const std::string& time) { return "2026-09-21T14:13:" + time + "Z "; };
  const auto connected
    = at("25.900000") + "00O " + esc + "[0KInstance i-0a1b2c3d connected";
  const auto expected
    = at("25.900000") + "00O section_end:1790000005:prepare_executor\r" + esc
      + "[0K\n" + at("25.900010") + "00O+section_start:1790000005:step_script\r"
      + esc + "[0K\n" + at("25.900010") + "00O+"
      + heading("Executing \"step_script\" stage of the job script")
      + at("26.400000") + "01O " + notice("$ ./test.sh") + at("26.500000")
      + "01O progress 10%\r\n" + at("26.600000") + "01O+progress 50%\r\n"
      + at("26.700000") + "01O+done\n" + at("26.900000") + "01E boom\n"
      + at("26.800000") + "01O no newline yet, now complete\n" + at("27.400000")
      + "00O section_end:1790000007:step_script\r" + esc + "[0K\n"
      + at("27.400010")
      + "00O+section_start:1790000007:cleanup_file_variables\r" + esc + "[0K\n"
      + at("27.400010") + "00O+"
      + heading("Cleaning up project directory and file based variables")
      + at("27.900000") + "00O section_end:1790000007:cleanup_file_variables\r"
      + esc + "[0K\n" + at("25.900000") + "00O "
      + failed("run exit (exit code: 1): Process exited with status 1");
  CHECK_EQ(f.log_after(connected), expected);
}

TEST_CASE("while a job waits for its slot, its own log says for what") {
  fixture f;
  f.start();
  f.gitlab_says(200);
  const std::string first = "waiting for a slot: 3rd in line";
  const std::string second
    = "waiting for a slot: i-3 booting for 14 s, usually "
      "41 s";
  f.world.send(f.it, acquire_waits{f.setup.key, first});
  f.world.send(f.it, acquire_waits{f.setup.key, second});
  CHECK_NE(f.log().find(first + "\n"), std::string::npos);
  CHECK_LT(f.log().find(first), f.log().find(second + "\n"));
  f.gets_slot();
  f.world.send(f.it, acquire_waits{f.setup.key, "waiting for a slot: late"});
  CHECK_EQ(f.log().find("late"), std::string::npos); // it has one
}

TEST_CASE("without the feature a job's log has no section markers") {
  fixture f;
  f.setup.payload.trace_sections = false;
  f.run();
  f.begins("step_script", 0);
  f.ends("step_script", 1);
  f.job_ends("step_script", plan_outcome::success);
  CHECK_EQ(f.log().find("section_"), std::string::npos);
  CHECK_EQ(f.log_after("i-0a1b2c3d connected"),
           heading("Executing \"step_script\" stage of the job script")
             + notice("Job succeeded"));
}

TEST_CASE("each try of a stage is a section of its own") {
  fixture f;
  f.setup.payload.variables.push_back(
    {"GET_SOURCES_ATTEMPTS", secret{"3"}, false, false, false, false});
  f.run();
  auto marker = [](const std::string& kind, const std::string& name) {
    return "section_" + kind + ":1790000004:" + name + "\r" + esc + "[0K";
  };
  const auto section = marker("start", "get_sources")
                       + heading("Getting source from Git repository");
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    f.begins("get_sources", 0, attempt);
    f.prints("fatal: no such host\n");
    f.ends("get_sources", 0, plan_outcome::failed, 128, attempt);
  }
  f.job_ends("get_sources", plan_outcome::failed, 128);
  const auto tried
    = section + "fatal: no such host\n" + marker("end", "get_sources");
  auto log = f.log_after("i-0a1b2c3d connected");
  CHECK_EQ(
    log.substr(log.find("section_start")),
    tried + warning("Retrying...") + marker("start", "clear_worktree")
      + heading("Deleting all tracked and untracked files due to source fetch "
                "failure")
      + marker("end", "clear_worktree") + tried + warning("Retrying...") + tried
      + failed("run exit (exit code: 128): Process exited with status 128"));
}

TEST_CASE("a script that was cancelled is told so, if the job goes on") {
  struct row {
    const char* what;
    job_order order;
    bool goes_on;
  };
  const row rows[] = {{"gracefully", job_order::canceling, true},
                      {"at once", job_order::aborted, false}};
  for (const auto& r : rows) {
    CAPTURE(r.what);
    fixture f;
    f.run();
    f.begins("step_script", 0);
    f.world.send(f.it, job_ordered{r.order});
    f.ends("step_script", 0, plan_outcome::canceled);
    if (r.goes_on) {
      f.begins("cleanup_file_variables", 0);
      f.ends("cleanup_file_variables", 0);
    }
    f.job_ends("step_script", plan_outcome::canceled);
    const auto cleaning
      = warning("script canceled externally (UI, API)")
        + heading("Cleaning up project directory and file based variables");
    CHECK_EQ(without_sections(f.log_after("step_script\" stage")),
             (r.goes_on ? cleaning : "") + failed("canceled"));
  }
}

TEST_CASE("how after_script and time-outs end is told in the known words") {
  const auto out_of_time = [](const std::string& stage) {
    return warning(
      stage
      + " could not run to completion because the timeout was exceeded. For "
        "more control over job and script timeouts see: "
        "https://docs.gitlab.com/ci/runners/configure_runners/"
        "#set-script-and-after_script-timeouts");
  };
  const auto unaffected = [](const std::string& why) {
    return warning("after_script failed, but job will continue unaffected: "
                   + why);
  };
  fixture f;
  f.setup.payload.steps.push_back({"after_script", {"true"}});
  f.run();
  std::string expected;
  auto cleaned = [&f] {
    f.begins("cleanup_file_variables", 0);
    f.ends("cleanup_file_variables", 0);
    return heading("Cleaning up project directory and file based variables");
  };
  SUBCASE("after_script fails") {
    f.begins("after_script", 0);
    f.ends("after_script", 0, plan_outcome::failed, 2);
    expected
      = unaffected("run exit (exit code: 2): Process exited with status 2")
        + cleaned() + notice("Job succeeded");
    f.job_ends("cleanup_file_variables", plan_outcome::success);
  }
  SUBCASE("after_script runs out of its time") {
    f.begins("after_script", 0);
    f.ends("after_script", 0, plan_outcome::timed_out);
    expected = out_of_time("after_script")
               + unaffected("context deadline exceeded") + cleaned()
               + notice("Job succeeded");
    f.job_ends("cleanup_file_variables", plan_outcome::success);
  }
  SUBCASE("after_script runs into the job's time") {
    f.begins("after_script", 0);
    f.world.run_for(3600s);
    f.ends("after_script", 0, plan_outcome::timed_out);
    expected = out_of_time("after_script")
               + failed("execution took longer than 1h0m0s seconds");
    f.job_ends("after_script", plan_outcome::timed_out);
  }
  SUBCASE("a step runs out of its time") {
    f.begins("after_script", 0); // only to have the heading
    f.ends("after_script", 0);
    f.ends("step_script", 0, plan_outcome::timed_out);
    expected = out_of_time("step_script") + cleaned()
               + failed("script timeout: context deadline exceeded");
    f.job_ends("step_script", plan_outcome::timed_out);
  }
  CHECK_EQ(without_sections(f.log_after("Running after_script")), expected);
}

TEST_CASE("a shell that cannot be prepared is told with where to read on") {
  fixture f;
  f.run();
  f.begins("prepare_script", 0);
  f.ends("prepare_script", 0, plan_outcome::failed, 1);
  f.job_ends("prepare_script", plan_outcome::failed, 1);
  CHECK_EQ(without_sections(f.log_after("Preparing environment")),
           failed("prepare environment: run exit (exit code: 1): Process "
                  "exited with status 1. Check "
                  "https://docs.gitlab.com/runner/shells/"
                  "#shell-profile-loading for more information"));
}

TEST_CASE("warnings stand together before the first section") {
  fixture f;
  f.setup.payload.variables.push_back(
    {"GET_SOURCES_ATTEMPTS", secret{"99"}, false, false, false, false});
  f.setup.payload.variables.push_back(
    {"RUNNER_SCRIPT_TIMEOUT", secret{"soon"}, false, false, false, false});
  f.run();
  auto log = f.log();
  auto begin = log.find(esc + "[0;33mWARNING: ");
  auto end = log.find("section_start:1790000000:prepare_executor");
  REQUIRE_NE(begin, std::string::npos);
  REQUIRE_LT(begin, end);
  auto block = log.substr(begin, end - begin);
  CHECK_EQ(block.find("WARNING: ", 20), std::string::npos); // one for all
  CHECK_EQ(std::count(block.begin(), block.end(), '\n'), 2);
  CHECK_NE(block.find("GET_SOURCES_ATTEMPTS"), std::string::npos);
  CHECK_NE(block.find("RUNNER_SCRIPT_TIMEOUT"), std::string::npos);
}
