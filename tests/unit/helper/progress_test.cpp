#include "executors/helper/progress.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace muster;
using namespace muster::progress;
using std::chrono::milliseconds;

namespace {

const char* name_of(plan_outcome x) {
  constexpr const char* names[]
    = {"success", "failed",        "timed_out",     "canceled",
       "broken",  "misconfigured", "image_missing", "dependency_failed"};
  return names[static_cast<size_t>(x)];
}

/// Writes actions as words: tables compare texts.
struct writer {
  std::string text;

  void operator()(const note_begun& x) {
    text += "begin " + std::to_string(x.stage) + "." + std::to_string(x.attempt)
            + "; ";
  }

  void operator()(const note_ended& x) {
    text += "end " + std::to_string(x.stage) + " " + name_of(x.outcome) + "; ";
  }

  void operator()(const start_script& x) {
    text += std::string{x.quiet ? "quietly " : ""}
            + (x.before_retry ? "prepare " : "run ") + std::to_string(x.stage)
            + (x.job_status.empty() ? "" : " " + x.job_status) + "; ";
  }

  void operator()(const terminate_script&) {
    text += "term; ";
  }

  void operator()(const kill_script&) {
    text += "kill; ";
  }

  void operator()(const finish& x) {
    text += std::string{"finish "} + name_of(x.outcome) + " "
            + std::to_string(x.stage) + " " + std::to_string(x.exit_code)
            + "; ";
  }
};

/// A job whose time moves by hand.
struct job {
  job_plan plan;
  progress::state state;
  milliseconds now{0};

  std::string happens(const event& what) {
    writer out;
    for (const auto& todo : step(plan, state, what, now))
      std::visit(out, todo);
    if (!out.text.empty())
      out.text.resize(out.text.size() - 2);
    return out.text;
  }

  std::string begins() {
    return happens(plan_taken{});
  }

  std::string exits(int code) {
    return happens(script_over{code});
  }

  std::string cancels(cancel_mode mode) {
    return happens(cancel_wanted{mode});
  }

  std::string passes(milliseconds time) {
    now += time;
    return happens(tick{});
  }

  std::optional<milliseconds> wakes() const {
    auto at = wake_at(plan, state);
    if (!at)
      return std::nullopt;
    return std::chrono::duration_cast<milliseconds>(*at);
  }
};

stage_plan stage_of(stage_phase phase, stage_condition condition) {
  stage_plan stage;
  stage.phase = phase;
  stage.condition = condition;
  return stage;
}

/// prepare, sources, two steps, after_script, an upload, cleaning up: 0 to 6.
job usual_job() {
  job x;
  x.plan.stages = {
    stage_of(stage_phase::prepare, stage_condition::on_success),
    stage_of(stage_phase::sources, stage_condition::on_success),
    stage_of(stage_phase::step, stage_condition::on_success),
    stage_of(stage_phase::step, stage_condition::on_success),
    stage_of(stage_phase::after, stage_condition::after_steps),
    stage_of(stage_phase::after, stage_condition::always),
    stage_of(stage_phase::cleanup, stage_condition::always),
  };
  x.plan.stages[4].failure_counts = false;
  x.plan.stages[4].status_variable = true;
  return x;
}

/// prepare, sources, downloads, a step, after_script, a cache and artifacts
/// each for success and failure, cleaning up: 0 to 9.
job archiving_job() {
  job x;
  constexpr auto good = stage_condition::on_success;
  constexpr auto bad = stage_condition::on_failure;
  x.plan.stages = {
    stage_of(stage_phase::prepare, good),
    stage_of(stage_phase::sources, good),
    stage_of(stage_phase::sources, good),
    stage_of(stage_phase::step, good),
    stage_of(stage_phase::after, stage_condition::after_steps),
    stage_of(stage_phase::archive, good),
    stage_of(stage_phase::archive, bad),
    stage_of(stage_phase::archive, good),
    stage_of(stage_phase::archive, bad),
    stage_of(stage_phase::cleanup, stage_condition::always),
  };
  x.plan.stages[4].failure_counts = false;
  x.plan.stages[7].status_variable = true;
  return x;
}

job archiving_job_at(int stage) {
  auto x = archiving_job();
  x.begins();
  for (int i = 0; i < stage; ++i)
    x.exits(0);
  return x;
}

/// A usual job whose stages before `stage` have succeeded.
job usual_job_at(int stage) {
  auto x = usual_job();
  x.begins();
  for (int i = 0; i < stage; ++i)
    x.exits(0);
  return x;
}

} // namespace

TEST_CASE("a job that goes well runs all its stages in order") {
  auto x = usual_job();
  CHECK_EQ(x.begins(), "begin 0.1; run 0");
  CHECK_EQ(x.exits(0), "end 0 success; begin 1.1; run 1");
  CHECK_EQ(x.exits(0), "end 1 success; begin 2.1; run 2");
  CHECK_EQ(x.exits(0), "end 2 success; begin 3.1; run 3");
  CHECK_EQ(x.exits(0), "end 3 success; begin 4.1; run 4 success");
  CHECK_EQ(x.exits(0), "end 4 success; begin 5.1; run 5");
  CHECK_EQ(x.exits(0), "end 5 success; begin 6.1; run 6");
  CHECK_EQ(x.exits(0), "end 6 success; finish success 0 0");
  CHECK_EQ(x.exits(0), "");
  CHECK_EQ(x.cancels(cancel_mode::now), "");
  CHECK_EQ(x.wakes(), std::nullopt);
}

TEST_CASE("a failing stage decides what follows") {
  struct row {
    const char* what;
    int stage;
    const char* next;
    const char* end; ///< once all that follows has succeeded
  };
  const row rows[] = {
    {"a preparation ends the job quietly", 0, "end 0 failed; quietly run 6",
     "finish failed 0 5"},
    {"sources skip the steps and after_script", 1,
     "end 1 failed; begin 5.1; run 5", "finish failed 1 5"},
    {"a step skips the steps after it", 2,
     "end 2 failed; begin 4.1; run 4 failed", "finish failed 2 5"},
    {"after_script is ignored", 4, "end 4 failed; begin 5.1; run 5",
     "finish success 0 0"},
    {"an upload counts", 5, "end 5 failed; begin 6.1; run 6",
     "finish failed 5 5"},
    {"cleaning up never counts", 6, "end 6 failed; finish success 0 0", ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto x = usual_job_at(r.stage);
    CHECK_EQ(x.exits(5), r.next);
    std::string last;
    for (int i = 0; i < 6 && x.state.phase != phase::over; ++i)
      last = x.exits(0);
    if (*r.end != '\0')
      CHECK_NE(last.find(r.end), std::string::npos);
  }
}

TEST_CASE("caches and artifacts go out as the job before them went") {
  struct row {
    const char* what;
    int stage; ///< that fails
    const char* next;
    const char* then;
    const char* last; ///< once these have succeeded
  };
  const row rows[] = {
    {"a preparation: none", 0, "end 0 failed; quietly run 9", "",
     "finish failed 0 5"},
    {"sources", 1, "end 1 failed; begin 6.1; run 6",
     "end 6 success; begin 8.1; run 8", "end 9 success; finish failed 1 5"},
    {"downloads", 2, "end 2 failed; begin 6.1; run 6",
     "end 6 success; begin 8.1; run 8", "end 9 success; finish failed 2 5"},
    {"a step", 3, "end 3 failed; begin 4.1; run 4",
     "end 4 success; begin 6.1; run 6", "end 9 success; finish failed 3 5"},
    {"after_script, ignored", 4, "end 4 failed; begin 5.1; run 5",
     "end 5 success; begin 7.1; run 7 success",
     "end 9 success; finish success 0 0"},
    {"a cache fails the job, its artifacts are those of a success", 5,
     "end 5 failed; begin 7.1; run 7 success",
     "end 7 success; begin 9.1; run 9", "end 9 success; finish failed 5 5"},
    {"artifacts", 6, "end 7 failed; begin 9.1; run 9", "",
     "end 9 success; finish failed 7 5"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto x = archiving_job_at(r.stage);
    CHECK_EQ(x.exits(5), r.next);
    if (*r.then != '\0')
      CHECK_EQ(x.exits(0), r.then);
    std::string last;
    for (int i = 0; i < 6 && x.state.phase != phase::over; ++i)
      last = x.exits(0);
    CHECK_EQ(last, r.last);
  }
}

TEST_CASE("what goes out after a failure does not change the job's failure") {
  auto x = archiving_job_at(3);
  x.exits(5); // the step
  x.exits(0);
  CHECK_EQ(x.exits(6), "end 6 failed; begin 8.1; run 8");
  CHECK_EQ(x.exits(7), "end 8 failed; begin 9.1; run 9");
  CHECK_EQ(x.exits(0), "end 9 success; finish failed 3 5");
  auto y = archiving_job_at(5);
  y.exits(6); // the cache
  y.exits(7); // the artifacts
  CHECK_EQ(y.exits(0), "end 9 success; finish failed 5 6");
}

TEST_CASE("a cancel does to what goes out what its way allows") {
  auto x = archiving_job_at(5);
  CHECK_EQ(x.cancels(cancel_mode::graceful), "");
  CHECK_EQ(x.exits(0), "end 5 success; begin 7.1; run 7 success");
  CHECK_EQ(x.cancels(cancel_mode::now), "term");
  CHECK_EQ(x.exits(143), "end 7 canceled; quietly run 9");
  CHECK_EQ(x.exits(0), "finish canceled 7 143");
  auto y = archiving_job_at(3);
  y.cancels(cancel_mode::graceful); // the step
  CHECK_EQ(y.exits(143), "end 3 canceled; begin 4.1; run 4");
  CHECK_EQ(y.exits(0), "end 4 success; begin 6.1; run 6");
}

TEST_CASE("all steps together have one time") {
  auto x = usual_job();
  x.plan.steps_timeout_ms = 1'000;
  x.begins();
  x.now = milliseconds{5'000};
  x.exits(0);
  CHECK_EQ(x.exits(0), "end 1 success; begin 2.1; run 2");
  CHECK_EQ(x.wakes(), milliseconds{6'000});
  x.now = milliseconds{5'600};
  SUBCASE("it goes on in the second") {
    CHECK_EQ(x.exits(0), "end 2 success; begin 3.1; run 3");
    CHECK_EQ(x.passes(milliseconds{399}), "");
    CHECK_EQ(x.passes(milliseconds{1}), "term");
    CHECK_EQ(x.exits(143), "end 3 timed_out; begin 4.1; run 4 timedout");
    CHECK_EQ(x.state.verdict.text, "timed out: the steps' time of 1 s is over");
  }
  SUBCASE("a step that could only begin when it is over is not begun") {
    x.now = milliseconds{6'000};
    CHECK_EQ(x.exits(0), "end 2 success; begin 4.1; run 4 timedout");
    x.exits(0);
    x.exits(0);
    CHECK_EQ(x.exits(0), "end 6 success; finish timed_out 3 0");
  }
  SUBCASE("it is not that of what follows") {
    x.exits(0);
    x.exits(0);
    CHECK_EQ(x.passes(milliseconds{10'000}), "");
  }
}

TEST_CASE("the first failure is the job's") {
  auto x = usual_job_at(2);
  x.exits(3);
  x.exits(4);
  x.exits(5);
  CHECK_EQ(x.exits(6), "end 6 failed; finish failed 2 3");
}

TEST_CASE("an after_script that counts fails a job that had no failure") {
  auto x = usual_job_at(4);
  x.plan.stages[4].failure_counts = true;
  x.exits(8);
  x.exits(0);
  CHECK_EQ(x.exits(0), "end 6 success; finish failed 4 8");
}

TEST_CASE("cancelling does what the phase allows") {
  constexpr auto graceful = cancel_mode::graceful;
  constexpr auto now = cancel_mode::now;
  struct row {
    const char* what;
    int stage;
    cancel_mode mode;
    const char* at_once;
    const char* next; ///< when the script has ended
  };
  const row rows[] = {
    {"gracefully while preparing", 0, graceful, "term",
     "end 0 canceled; quietly run 6"},
    {"gracefully in the sources", 1, graceful, "term",
     "end 1 canceled; quietly run 6"},
    {"gracefully in a step", 2, graceful, "term",
     "end 2 canceled; begin 4.1; run 4 canceled"},
    {"gracefully in after_script", 4, graceful, "",
     "end 4 failed; begin 5.1; run 5"},
    {"gracefully while cleaning up", 6, graceful, "",
     "end 6 failed; finish success 0 0"},
    {"now while preparing", 0, now, "term", "end 0 canceled; quietly run 6"},
    {"now in a step", 3, now, "term", "end 3 canceled; quietly run 6"},
    {"now in after_script", 4, now, "term", "end 4 canceled; quietly run 6"},
    {"now while cleaning up", 6, now, "", "end 6 failed; finish success 0 0"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto x = usual_job_at(r.stage);
    CHECK_EQ(x.cancels(r.mode), r.at_once);
    CHECK_EQ(x.exits(143), r.next);
    for (int i = 0; i < 3 && *r.at_once != '\0'; ++i)
      x.exits(0);
    if (*r.at_once != '\0')
      CHECK_EQ(x.state.verdict.outcome, plan_outcome::canceled);
  }
}

TEST_CASE("a script that does not end is killed after its grace") {
  auto x = usual_job_at(2);
  CHECK_EQ(x.cancels(cancel_mode::graceful), "term");
  CHECK_EQ(x.wakes(), milliseconds{10'000});
  CHECK_EQ(x.passes(milliseconds{9'999}), "");
  SUBCASE("10 s after a graceful cancel") {
    CHECK_EQ(x.passes(milliseconds{1}), "kill");
    CHECK_EQ(x.passes(milliseconds{99'999}), "");
    CHECK_EQ(x.exits(137), "end 2 canceled; begin 4.1; run 4 canceled");
  }
  SUBCASE("a cancel now does not prolong it") {
    CHECK_EQ(x.cancels(cancel_mode::now), "");
    CHECK_EQ(x.passes(milliseconds{1}), "kill");
    CHECK_EQ(x.exits(137), "end 2 canceled; quietly run 6");
  }
}

TEST_CASE("a cancel now hurries a graceful one") {
  auto x = usual_job_at(2);
  x.cancels(cancel_mode::graceful);
  CHECK_EQ(x.cancels(cancel_mode::now), "");
  CHECK_EQ(x.wakes(), milliseconds{2'000});
  CHECK_EQ(x.passes(milliseconds{2'000}), "kill");
  CHECK_EQ(x.exits(137), "end 2 canceled; quietly run 6");
  CHECK_EQ(x.exits(0), "finish canceled 2 137");
}

TEST_CASE("a time-out decides what follows by its stage") {
  struct row {
    const char* what;
    int stage;
    bool of_job;
    const char* next;
    plan_outcome verdict;
  };
  constexpr auto late = plan_outcome::timed_out;
  const row rows[] = {
    {"the sources' ends the job", 1, false, "end 1 timed_out; quietly run 6",
     late},
    {"a step's leaves the rest alive", 2, false,
     "end 2 timed_out; begin 4.1; run 4 timedout", late},
    {"after_script's is ignored", 4, false, "end 4 timed_out; begin 5.1; run 5",
     plan_outcome::success},
    {"cleaning up's is ignored", 6, false,
     "end 6 timed_out; finish success 0 0", plan_outcome::success},
    {"the job's in a step", 2, true, "end 2 timed_out; quietly run 6", late},
    {"the job's in after_script", 4, true, "end 4 timed_out; quietly run 6",
     late},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto x = usual_job();
    (r.of_job ? x.plan.timeout_ms
              : x.plan.stages[static_cast<size_t>(r.stage)].timeout_ms)
      = 1'000;
    x.begins();
    for (int i = 0; i < r.stage; ++i)
      x.exits(0);
    CHECK_EQ(x.wakes(), milliseconds{1'000});
    CHECK_EQ(x.passes(milliseconds{999}), "");
    CHECK_EQ(x.passes(milliseconds{1}), "term");
    CHECK_EQ(x.wakes(), milliseconds{3'000});
    CHECK_EQ(x.exits(143), r.next);
    CHECK_EQ(x.state.verdict.outcome, r.verdict);
  }
}

TEST_CASE("the job's time does not end cleaning up, its own 60 s do") {
  auto x = usual_job();
  x.plan.timeout_ms = 1'000;
  x.begins();
  for (int i = 0; i < 6; ++i)
    x.exits(0);
  x.now = milliseconds{500};
  CHECK_EQ(x.wakes(), milliseconds{60'000});
  CHECK_EQ(x.passes(milliseconds{59'000}), "");
  CHECK_EQ(x.passes(milliseconds{500}), "term");
  CHECK_EQ(x.exits(143), "end 6 timed_out; finish success 0 0");
}

TEST_CASE("a job whose time is over begins no stage but cleaning up") {
  auto x = usual_job_at(1);
  x.plan.timeout_ms = 1'000;
  x.now = milliseconds{1'000};
  CHECK_EQ(x.exits(0), "end 1 success; quietly run 6");
  CHECK_EQ(x.exits(0), "finish timed_out 2 0");
}

TEST_CASE("the end of the whole job outranks a failed script, not a time-out") {
  SUBCASE("canceled in after_script") {
    auto x = usual_job_at(2);
    x.exits(1);
    x.cancels(cancel_mode::now);
    x.exits(143);
    CHECK_EQ(x.exits(0), "finish canceled 4 143");
  }
  SUBCASE("out of its time in after_script") {
    auto x = usual_job_at(2);
    x.plan.timeout_ms = 10;
    x.exits(1);
    CHECK_EQ(x.passes(milliseconds{10}), "term");
    x.exits(143);
    CHECK_EQ(x.exits(0), "finish timed_out 4 143");
  }
  SUBCASE("canceled after a step's time-out") {
    auto x = usual_job_at(1);
    x.plan.stages[2].timeout_ms = 10;
    x.exits(0);
    x.passes(milliseconds{10});
    x.exits(143);
    x.cancels(cancel_mode::now);
    x.exits(143);
    CHECK_EQ(x.exits(0), "finish timed_out 2 143");
  }
}

TEST_CASE("a stage is tried again, after a pause that doubles") {
  auto x = usual_job_at(1);
  x.plan.stages[1].attempts_max = 4;
  x.plan.stages[1].before_retry = "clear";
  x.plan.stages[1].retry_pause_max_ms = 15'000;
  CHECK_EQ(x.exits(1), "end 1 failed");
  CHECK_EQ(x.wakes(), milliseconds{5'000});
  CHECK_EQ(x.passes(milliseconds{4'999}), "");
  CHECK_EQ(x.passes(milliseconds{1}), "begin 1.2; prepare 1");
  CHECK_EQ(x.exits(0), "run 1");
  CHECK_EQ(x.exits(1), "end 1 failed");
  CHECK_EQ(x.passes(milliseconds{9'999}), "");
  CHECK_EQ(x.passes(milliseconds{1}), "begin 1.3; prepare 1");
  SUBCASE("a failed preparation is a failed try") {
    CHECK_EQ(x.exits(1), "end 1 failed");
    CHECK_EQ(x.passes(milliseconds{15'000}), "begin 1.4; prepare 1");
    CHECK_EQ(x.exits(0), "run 1");
    CHECK_EQ(x.exits(9), "end 1 failed; begin 5.1; run 5");
    CHECK_EQ(x.state.verdict.exit_code, 9);
  }
  SUBCASE("a try that succeeds ends it") {
    x.exits(0);
    CHECK_EQ(x.exits(0), "end 1 success; begin 2.1; run 2");
  }
  SUBCASE("a cancel ends the preparation") {
    CHECK_EQ(x.cancels(cancel_mode::graceful), "term");
    CHECK_EQ(x.exits(143), "end 1 canceled; quietly run 6");
  }
}

TEST_CASE("a pause ends with a cancel or a time-out") {
  auto x = usual_job();
  x.plan.stages[1].attempts_max = 10;
  x.plan.stages[1].timeout_ms = 2'000;
  x.begins();
  x.exits(0);
  x.exits(1);
  SUBCASE("canceled") {
    CHECK_EQ(x.cancels(cancel_mode::graceful), "quietly run 6");
    CHECK_EQ(x.exits(0), "finish canceled 1 0");
  }
  SUBCASE("timed out: the time is that of all tries together") {
    CHECK_EQ(x.wakes(), milliseconds{2'000});
    CHECK_EQ(x.passes(milliseconds{2'000}), "quietly run 6");
    CHECK_EQ(x.exits(0), "finish timed_out 1 0");
  }
}

TEST_CASE("what cannot be run breaks the job, but not while cleaning up") {
  auto x = usual_job_at(2);
  CHECK_EQ(x.happens(script_broken{"no shell"}), "end 2 broken; quietly run 6");
  CHECK_EQ(x.happens(script_broken{"no shell"}), "finish broken 2 0");
  CHECK_EQ(x.state.verdict.text, "no shell");
  auto y = usual_job_at(6);
  CHECK_EQ(y.happens(script_broken{"no shell"}),
           "end 6 broken; finish success 0 0");
}

TEST_CASE("a job whose containers cannot be ends as they say, and at once") {
  for (auto how : {plan_outcome::misconfigured, plan_outcome::image_missing,
                   plan_outcome::dependency_failed}) {
    CAPTURE(name_of(how));
    auto x = usual_job_at(0);
    CHECK_EQ(x.happens(script_broken{"no image", how}),
             std::string{"end 0 "} + name_of(how) + "; quietly run 6");
    CHECK_EQ(x.happens(script_over{0}),
             std::string{"finish "} + name_of(how) + " 0 0");
    CHECK_EQ(x.state.verdict.text, "no image");
  }
}

TEST_CASE("a script that cannot be ended keeps the reason why it was to end") {
  auto x = usual_job_at(2);
  x.cancels(cancel_mode::now);
  CHECK_EQ(x.happens(script_broken{"a process is left"}),
           "end 2 canceled; quietly run 6");
  CHECK_EQ(x.state.verdict.text, "canceled; a process is left");
}

TEST_CASE("CI_JOB_STATUS is running until the steps are over") {
  job x;
  x.plan.stages = {stage_of(stage_phase::prepare, stage_condition::on_success),
                   stage_of(stage_phase::step, stage_condition::on_success)};
  for (auto& stage : x.plan.stages)
    stage.status_variable = true;
  CHECK_EQ(x.begins(), "begin 0.1; run 0 running");
  CHECK_EQ(x.exits(0), "end 0 success; begin 1.1; run 1 running");
}

TEST_CASE("extreme times and counts are carried out as near as possible") {
  job x;
  x.plan.timeout_ms = INT64_MAX;
  auto stage = stage_of(stage_phase::step, stage_condition::on_success);
  stage.timeout_ms = INT64_MAX;
  stage.attempts_max = INT32_MIN;
  stage.retry_pause_ms = INT64_MIN;
  x.plan.stages = {stage};
  CHECK_EQ(x.begins(), "begin 0.1; run 0");
  CHECK_EQ(x.exits(1), "end 0 failed; finish failed 0 1");
  job y;
  stage.attempts_max = INT32_MAX;
  y.plan.stages = {stage};
  y.begins();
  for (int i = 0; i < 9; ++i)
    y.exits(1);
  CHECK_EQ(y.exits(1), "end 0 failed; finish failed 0 1");
  job none;
  CHECK_EQ(none.begins(), "finish success 0 0");
}

TEST_CASE("whatever happens, a job comes to its end and stays there") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  for (int round = 0; round < 3'000; ++round) {
    job x;
    x.plan.timeout_ms = chance() % 3 == 0 ? chance() % 20'000 : 0;
    x.plan.steps_timeout_ms = chance() % 3 == 0 ? chance() % 9'000 : 0;
    for (auto n = chance() % 8; n > 0; --n) {
      stage_plan stage;
      stage.condition = static_cast<stage_condition>(chance() % 4);
      stage.phase = static_cast<stage_phase>(chance() % 6);
      stage.attempts_max = static_cast<int32_t>(chance() % 4);
      stage.before_retry = chance() % 2 == 0 ? "x" : "";
      stage.timeout_ms = chance() % 2 == 0 ? chance() % 9'000 : 0;
      stage.failure_counts = chance() % 2 == 0;
      x.plan.stages.push_back(stage);
    }
    int started = 0;
    int ended = 0;
    auto count = [&](const std::string& text) {
      for (size_t at = 0; (at = text.find("run ", at)) != text.npos; ++at)
        ++started;
      ended += text.find("finish") != text.npos ? 1 : 0;
    };
    count(x.begins());
    for (int i = 0; i < 2'000 && x.state.phase != phase::over; ++i) {
      x.now += milliseconds{chance() % 2'000};
      bool waits = x.state.phase == phase::pausing;
      switch (chance() % (waits ? 2 : 5)) {
        case 0:
          count(x.happens(tick{}));
          break;
        case 1:
          if (chance() % 10 == 0)
            count(x.cancels(static_cast<cancel_mode>(chance() % 2)));
          break;
        case 2:
          if (chance() % 10 == 0)
            count(x.happens(script_broken{"broken"}));
          break;
        default:
          count(x.exits(static_cast<int>(chance() % 2)));
      }
    }
    REQUIRE_EQ(x.state.phase, phase::over);
    CHECK_EQ(ended, 1);
    CHECK_EQ(x.happens(tick{}), "");
    CHECK_EQ(x.exits(0), "");
    CHECK_EQ(x.wakes(), std::nullopt);
  }
}
