#include "tests/scenario/job_peers.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// Everything around a job is played by the test.
struct fixture : test::job_peers {
  void run_up_to_plan() {
    start();
    gitlab_says(200);
    gets_slot();
    gets_route();
    start_is_written();
  }

  /// Another manager after this one, with what the journal has of the job.
  left_job left_behind() {
    auto start = journal.last<write_job_start>();
    left_job x;
    x.key = setup.key;
    x.payload = setup.payload;
    x.taken_us = setup.taken_us;
    if (start.key.empty()) {
      x.at = left_phase::waiting;
      x.lines = journal.last<write_job_lines>().lines;
      return x;
    }
    x.at = left_phase::started;
    x.payload.steps.clear(); // not needed any more
    x.payload.variables.clear();
    x.instance = start.instance;
    x.slot = start.slot;
    x.lines = start.lines;
    x.recipe = start.recipe;
    return x;
  }

  /// Ends the job's actor as the death of its manager does, and starts it again
  /// from what is written.
  void dies_and_goes_on() {
    auto left = left_behind();
    world.stop(it);
    REQUIRE_FALSE(traces->find(setup.key));
    runner.clear();
    group.clear();
    dialer.clear();
    gitlab.clear();
    setup.payload = left.payload;
    setup.left = left;
    setup.group = slot_source_actor{};
    record = 0;
    start();
    world.send(
      it, group_changed{{"group", caf::actor_cast<caf::actor>(group.handle)}});
  }

  /// The instance is there again, and the way to it.
  void is_claimed() {
    gets_slot();
    gets_route();
  }

  /// An instance on which no helper runs.
  void run_without_helper() {
    start();
    gitlab_says(200);
    gets_slot();
    world.send(it, stream_route{setup.key, 5, "", {}, "", "no folder for it"});
    start_is_written();
  }

  /// The script under way ends by itself.
  void script_ends(int code) {
    auto id = wire->opened.back();
    auto sink = wire->streams[id].sink;
    sink->error_data("\x01muster-exit-" + std::to_string(id) + ":"
                     + std::to_string(code) + "\x01");
    sink->exited(code);
    sink->closed({connection_errc::closed, "ended"});
    world.run();
  }

  void sweep_says(const char* text) {
    wire->commands.back().done(exec_result{0, text, ""});
    world.run();
  }

  std::string script_now() {
    return wire->last_stream().command.input;
  }

  void run_up_to_script() {
    run_up_to_plan();
    wire->last_stream().sink->opened();
    helper_says(frames::accepted{"k"});
  }

  void loses_stream() {
    wire->last_stream().sink->closed({connection_errc::lost, "reset"});
    world.run();
  }

  void prints(const std::string& text) {
    helper_says(
      frames::output{record++, 1000, frames::output_stream::out, text});
  }

  void plan_ends(plan_outcome how, int32_t exit_code = 0, uint32_t stage = 2) {
    helper_says(
      frames::job_ended{record++, 2000, how, stage, exit_code, 0, ""});
  }

  bool log_has(const std::string& text) {
    return log().find(text) != std::string::npos;
  }

  static size_t count_of(const std::string& part, const std::string& text) {
    size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos;
         at = text.find(part, at + 1))
      ++count;
    return count;
  }

  /// Plays GitLab until the final state is there and confirms it.
  update_job confirm() {
    for (int i = 0; i < 20; ++i) {
      auto told = gitlab.last<update_job>();
      if (told.state == "success" || told.state == "failed")
        break;
      if (auto patch = gitlab.last<patch_trace>(); patch.length_max > 0) {
        auto text = log();
        patch_result x;
        x.key = setup.key;
        x.offset = patch.offset;
        x.sent_bytes = static_cast<int64_t>(text.size()) - patch.offset;
        x.total_bytes = static_cast<int64_t>(text.size());
        x.info.status = 202;
        world.send(caf::actor_cast<trace_actor>(patch.asker.handle), x);
      }
      world.run_for(600ms);
    }
    auto told = gitlab.last<update_job>();
    update_result x;
    x.key = setup.key;
    x.state = told.state;
    x.info.status = 200;
    world.send(caf::actor_cast<trace_actor>(told.asker.handle), x);
    return told;
  }
};

} // namespace

TEST_CASE("a job runs from its acceptance to its confirmed result") {
  fixture f;
  f.start();
  CHECK_EQ(f.gitlab.last<update_job>().state, "running");
  CHECK_EQ(f.group.last<acquire>().key, f.setup.key);
  f.gitlab_says(200);
  f.gets_slot();
  CHECK_EQ(f.dialer.last<open_stream>().instance, instance_id{"i-1"});
  f.gets_route();
  CHECK_EQ(f.journal.last<write_job_start>().instance, instance_id{"i-1"});
  CHECK(f.wire->opened.empty()); // not before it is written
  f.start_is_written();
  REQUIRE_EQ(f.wire->opened.size(), 1);
  CHECK_EQ(f.wire->last_stream().path, "/run/helper.sock");
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.prints("the password is hunter2hunter2\n");
  f.plan_ends(plan_outcome::success);
  CHECK_EQ(f.slot.last<vacate_slot>().key, f.setup.key); // before GitLab knows
  CHECK(f.log_has("the password is [MASKED]"));
  CHECK(f.log_has("Job succeeded"));
  CHECK_EQ(f.confirm().state, "success");
  CHECK(f.runner.last<job_ended>().success);
  CHECK_EQ(f.journal.count<forget_job>(), 1);
  CHECK_FALSE(f.traces->find(f.setup.key)); // nothing of it is left
}

TEST_CASE("the plan waits for GitLab's acceptance, but not for ever") {
  fixture f;
  f.start();
  f.gets_slot();
  f.gets_route();
  CHECK(f.wire->opened.empty());
  f.world.run_for(9s);
  CHECK_EQ(f.journal.count<write_job_start>(), 0);
  f.world.run_for(2s);
  CHECK_EQ(f.journal.count<write_job_start>(), 1);
  f.start_is_written();
  CHECK_EQ(f.wire->opened.size(), 1);
}

TEST_CASE("GitLab gets nothing of a job's log before it has accepted the job") {
  fixture f;
  f.start();
  CHECK_EQ(f.gitlab.last<update_job>().state, "running");
  f.world.run_for(3s);
  CHECK_EQ(f.gitlab.count<patch_trace>(), 0);
  SUBCASE("it answers") {
    f.gitlab_says(200);
  }
  SUBCASE("another takes its place and has not been asked") {
    auto other = f.world.spawn_probe<coordinator_actor>();
    f.world.send(f.it, coordinator_changed{
                         {"c", caf::actor_cast<caf::actor>(other.handle)}});
    f.world.run_for(1s);
    CHECK_EQ(other.last<update_job>().state, "running");
    CHECK_EQ(other.count<patch_trace>(), 0);
    f.gitlab_says(200);
    f.world.run_for(1s);
    CHECK_EQ(other.count<patch_trace>(), 1);
    return;
  }
  f.world.run_for(1s);
  CHECK_EQ(f.gitlab.count<patch_trace>(), 1);
}

TEST_CASE("a result that comes before GitLab's acceptance waits for that") {
  fixture f;
  f.start();
  f.world.send(f.it, cancel_job{cancel_reason::interrupted_by_term, false});
  CHECK_EQ(f.group.count<unreserve>(), 1); // at once
  f.world.run_for(3s);
  CHECK_EQ(f.gitlab.count<patch_trace>(), 0);
  CHECK_EQ(f.gitlab.count<update_job>(), 1);
  SUBCASE("it is accepted") {
    f.gitlab_says(200);
    CHECK(f.log_has("aborted: terminated"));
    CHECK_EQ(f.confirm().state, "failed");
  }
  SUBCASE("GitLab does not answer") {
    f.world.run_for(8s);
    CHECK(f.log_has("aborted: terminated"));
    CHECK_EQ(f.confirm().state, "failed");
  }
  SUBCASE("GitLab does not want it") {
    f.gitlab_says(404);
    CHECK_EQ(f.runner.count<job_ended>(), 1);
    f.world.run_for(1min);
    CHECK_EQ(f.gitlab.count<patch_trace>(), 0);
  }
}

TEST_CASE("a plan that cannot be noted is not sent: it could run twice") {
  fixture f;
  f.start();
  f.gitlab_says(200);
  f.gets_slot();
  f.gets_route();
  f.world.send(
    f.it, job_start_written{f.setup.key, error_of(journal_errc::not_writable,
                                                  "the disk is full")});
  CHECK(f.wire->opened.empty());
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
  CHECK(f.log_has("the job was not started, since that could not be written "
                  "down: "));
  CHECK(f.log_has("the disk is full"));
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("a job that GitLab does not want is dropped silently") {
  for (auto status : {404, 403}) {
    fixture f;
    f.start();
    f.gitlab_says(status);
    CHECK_EQ(f.runner.count<job_ended>(), 1);
    CHECK_EQ(f.group.count<unreserve>(), 1);
    f.world.run_for(1min);
    CHECK_EQ(f.gitlab.count<patch_trace>(), 0);
    CHECK_EQ(f.gitlab.count<update_job>(), 1);
  }
}

TEST_CASE("a failing script ends with its exit code") {
  fixture f;
  f.run_up_to_script();
  f.helper_says(
    frames::job_ended{f.record++, 2000, plan_outcome::failed, 2, 42, 0, ""});
  CHECK(f.log_has("ERROR: Job failed: run exit (exit code: 42): Process exited "
                  "with status 42"));
  auto told = f.confirm();
  CHECK_EQ(told.state, "failed");
  CHECK_EQ(told.failure_reason, "script_failure");
  CHECK_EQ(told.exit_code, 42);
}

TEST_CASE("no slot in time is a failure of the system and says so") {
  fixture f;
  f.start();
  f.gitlab_says(200);
  acquired x;
  x.key = f.setup.key;
  x.why = error_of(capacity_errc::acquire_timed_out, "no slot");
  f.world.send(f.it, x);
  CHECK(f.log_has("(system failure): unable to acquire instance within the "
                  "configured timeout of 15m0s"));
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("a removed instance fails its job with instance and reason") {
  fixture f;
  f.run_up_to_script();
  f.world.fail(f.slot.handle, error_of(instance_errc::removed_externally,
                                       "instance externally removed: deleted"));
  CHECK(f.log_has("(system failure): instance i-1 was lost: instance "
                  "externally removed: deleted"));
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("a slot whose actor dies is claimed from the group") {
  fixture f;
  f.run_up_to_script();
  f.world.stop(f.slot.handle);
  REQUIRE_EQ(f.group.count<claim>(), 1);
  CHECK_EQ(f.group.last<claim>().instance, instance_id{"i-1"});
  auto other = f.world.spawn_probe<slot_actor>();
  acquired x;
  x.key = f.setup.key;
  x.instance = instance_id{"i-1"};
  x.slot_peer = {"slot", caf::actor_cast<caf::actor>(other.handle)};
  f.world.send(f.it, x);
  f.plan_ends(plan_outcome::success);
  CHECK_EQ(other.count<vacate_slot>(), 1);
}

TEST_CASE(
  "a job that its containers end has their reason, if GitLab knows it") {
  struct row {
    plan_outcome how;
    const char* reason;
    const char* otherwise;
  };
  const row rows[] = {
    {plan_outcome::misconfigured, "runner_configuration_error",
     "script_failure"},
    {plan_outcome::image_missing, "image_pull_failure",
     "runner_system_failure"},
    {plan_outcome::dependency_failed, "runner_external_dependency_failure",
     "runner_system_failure"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.reason);
    fixture knows;
    knows.setup.payload.failure_reasons = {r.reason};
    knows.run_up_to_script();
    knows.plan_ends(r.how);
    CHECK_EQ(knows.confirm().failure_reason, r.reason);
    fixture older;
    older.run_up_to_script();
    older.plan_ends(r.how);
    CHECK_EQ(older.confirm().failure_reason, r.otherwise);
  }
}

TEST_CASE("a lost stream is attached to again where it broke off") {
  fixture f;
  f.run_up_to_script();
  f.prints("first\n");
  f.wire->last_stream().sink->closed({connection_errc::lost, "reset"});
  f.world.run();
  CHECK_EQ(f.dialer.count<open_stream>(), 2);
  CHECK_EQ(f.runner.count<job_ended>(), 0);
  f.gets_route();
  REQUIRE_EQ(f.wire->opened.size(), 2);
  auto expected = frames::encode(frames::hello{frames::version_min})
                  + frames::encode(frames::attach{"k", 1});
  CHECK_EQ(f.wire->last_stream().sent, expected);
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.prints("second\n");
  f.plan_ends(plan_outcome::success);
  CHECK(f.log_has("first\nsecond\n"));
  CHECK_EQ(f.confirm().state, "success");
}

TEST_CASE("a helper that takes no stream is given up") {
  fixture f;
  f.run_up_to_plan();
  for (int i = 0; i < 20; ++i) {
    f.wire->last_stream().sink->closed({connection_errc::lost, "refused"});
    f.world.run();
    CHECK_EQ(f.runner.count<job_ended>(), 0);
    f.gets_route();
  }
  CHECK_FALSE(f.log_has("ERROR"));
  f.wire->last_stream().sink->closed({connection_errc::lost, "refused"});
  f.world.run();
  CHECK(f.log_has("(system failure): muster-helper on instance i-1 takes no "
                  "stream: "));
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
}

TEST_CASE("records that come twice are taken once") {
  fixture f;
  f.run_up_to_script();
  f.prints("only once\n");
  f.record = 0;
  f.prints("only once\n");
  auto text = f.log();
  auto first = text.find("only once");
  REQUIRE_NE(first, std::string::npos);
  CHECK_EQ(text.find("only once", first + 1), std::string::npos);
}

TEST_CASE("a helper that has lost the job fails it for the system") {
  fixture f;
  f.run_up_to_script();
  f.wire->last_stream().sink->closed({connection_errc::lost, "reset"});
  f.world.run();
  f.gets_route();
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::refused{"k", helper_errc::unknown_key,
                                "its supervisor was killed"});
  CHECK(f.log_has("its supervisor was killed"));
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("an instance that cannot be reached again fails the job") {
  fixture f;
  f.run_up_to_script();
  f.wire->last_stream().sink->closed({connection_errc::lost, "reset"});
  f.world.run();
  f.world.send(f.it, stream_route{f.setup.key, 0, "",
                                  error_of(connection_errc::unreachable,
                                           "refused by 10.0.0.1:22")});
  CHECK(f.log_has("refused by 10.0.0.1:22"));
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("cancelling is passed on and the helper has the last word") {
  fixture f;
  f.run_up_to_script();
  f.world.send(f.it, job_ordered{job_order::canceling});
  CHECK_NE(f.wire->last_stream().sent.find(
             frames::encode(frames::cancel{"k", cancel_mode::graceful})),
           std::string::npos);
  CHECK_EQ(f.runner.count<job_ended>(), 0);
  f.plan_ends(plan_outcome::canceled);
  CHECK(f.log_has("ERROR: Job failed: canceled"));
  CHECK_EQ(f.confirm().failure_reason, "unknown_failure");
}

TEST_CASE("a cancel that no stream was there for is said on the next one") {
  fixture f;
  f.run_up_to_script();
  f.wire->last_stream().sink->closed({connection_errc::lost, "reset"});
  f.world.run();
  f.world.send(f.it, job_ordered{job_order::canceling});
  auto expected = cancel_mode::graceful;
  SUBCASE("gracefully") {
  }
  SUBCASE("and in the end at once") {
    f.world.send(f.it, cancel_job{cancel_reason::interrupted_by_term, false});
    expected = cancel_mode::now;
  }
  f.gets_route();
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  CHECK_NE(f.wire->last_stream().sent.find(
             frames::encode(frames::cancel{"k", expected})),
           std::string::npos);
}

TEST_CASE("a reason that GitLab knows is sent as it is") {
  fixture f;
  f.setup.payload.failure_reasons = {"job_canceled"};
  f.run_up_to_script();
  f.world.send(f.it, job_ordered{job_order::canceling});
  f.plan_ends(plan_outcome::canceled);
  CHECK_EQ(f.confirm().failure_reason, "job_canceled");
}

TEST_CASE("a cancelled job that waits for a slot ends at once") {
  fixture f;
  f.start();
  f.gitlab_says(200, "canceling");
  CHECK_EQ(f.group.count<unreserve>(), 1);
  CHECK_EQ(f.confirm().state, "failed");
}

TEST_CASE("a manager that is told to stop interrupts its jobs") {
  fixture f;
  f.run_up_to_script();
  f.world.send(f.it, cancel_job{cancel_reason::interrupted_by_term, false});
  f.plan_ends(plan_outcome::canceled);
  CHECK(f.log_has("ERROR: Job failed: aborted: terminated"));
}

TEST_CASE("a helper that does not end a cancelled job is given up") {
  fixture f;
  f.run_up_to_script();
  f.world.send(f.it, job_ordered{job_order::aborted});
  f.world.run_for(4min);
  CHECK_EQ(f.slot.count<vacate_slot>(), 0);
  f.world.run_for(2min);
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
}

TEST_CASE("what follows on a graceful cancel has more time than a stage") {
  fixture f;
  f.run_up_to_script();
  f.world.send(f.it, job_ordered{job_order::canceling});
  f.world.run_for(20min); // after_script, and the uploads
  CHECK_EQ(f.slot.count<vacate_slot>(), 0);
  SUBCASE("it came too late for the script") {
    f.plan_ends(plan_outcome::success);
    CHECK_EQ(f.confirm().state, "success");
  }
  SUBCASE("the helper is silent") {
    f.world.run_for(40min + 5min + 1s);
    CHECK_EQ(f.slot.count<vacate_slot>(), 1);
    CHECK(f.log_has("ERROR: Job failed: canceled"));
  }
  SUBCASE("then everything is to end") {
    f.world.send(f.it, job_ordered{job_order::aborted});
    f.world.run_for(4min);
    f.world.send(f.it, job_ordered{job_order::aborted}); // GitLab repeats it
    f.world.run_for(1min + 1s);
    CHECK_EQ(f.slot.count<vacate_slot>(), 1);
  }
}

TEST_CASE("a cancel outlives the stream that it was sent on") {
  for (auto [order, mode] :
       {std::pair{job_order::canceling, cancel_mode::graceful},
        std::pair{job_order::aborted, cancel_mode::now}})
    for (auto is_lost_before : {false, true}) {
      CAPTURE(static_cast<int>(mode));
      CAPTURE(is_lost_before);
      fixture f;
      f.run_up_to_script();
      if (is_lost_before)
        f.loses_stream();
      f.world.send(f.it, job_ordered{order});
      if (!is_lost_before)
        f.loses_stream();
      f.gets_route();
      REQUIRE_EQ(f.wire->opened.size(), 2);
      f.wire->last_stream().sink->opened();
      f.helper_says(frames::accepted{"k"});
      CHECK(f.wire->last_stream().sent.ends_with(
        frames::encode(frames::cancel{"k", mode})));
      f.plan_ends(plan_outcome::canceled);
      CHECK(f.log_has("ERROR: Job failed: canceled"));
    }
}

TEST_CASE("a plan that is sent again after a cancel has that right behind it") {
  fixture f;
  f.run_up_to_plan();
  f.world.send(f.it, job_ordered{job_order::aborted});
  f.loses_stream();
  f.gets_route();
  REQUIRE_EQ(f.wire->opened.size(), 2);
  const auto& sent = f.wire->last_stream().sent;
  CHECK_NE(sent.find("make"), std::string::npos);
  CHECK(sent.ends_with(frames::encode(frames::cancel{"k", cancel_mode::now})));
}

TEST_CASE("a cancelled job is told as that if its instance is not reached") {
  for (auto runs : {false, true})
    for (auto is_told : {false, true}) {
      CAPTURE(runs);
      CAPTURE(is_told);
      fixture f;
      if (runs)
        f.run_up_to_script();
      else
        f.run_up_to_plan();
      f.world.send(f.it, job_ordered{job_order::canceling});
      f.loses_stream();
      if (is_told)
        f.world.send(f.it, stream_route{f.setup.key, 0, "",
                                        error_of(connection_errc::unreachable,
                                                 "refused by 10.0.0.1:22")});
      else
        f.world.run_for(15min + 6s);
      CHECK_EQ(f.slot.count<vacate_slot>(), 1);
      CHECK(f.log_has("ERROR: Job failed: canceled"));
      CHECK_EQ(f.confirm().failure_reason, "unknown_failure");
    }
}

TEST_CASE("a job that is to end at once has no more time by a broken stream") {
  fixture f;
  f.run_up_to_script();
  f.world.send(f.it, job_ordered{job_order::aborted});
  f.world.run_for(4min);
  f.loses_stream();
  SUBCASE("the way is found") {
    f.gets_route();
    f.wire->last_stream().sink->opened();
    f.helper_says(frames::accepted{"k"});
  }
  SUBCASE("or not") {
  }
  f.world.run_for(59s);
  CHECK_EQ(f.slot.count<vacate_slot>(), 0);
  f.world.run_for(2s);
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
}

TEST_CASE("a job whose time is over ends even if its helper is silent") {
  fixture f;
  f.run_up_to_script();
  f.world.run_for(3600s + 5min + 1s);
  CHECK(f.log_has("execution took longer than 1h0m0s seconds"));
  CHECK_EQ(f.confirm().failure_reason, "job_execution_timeout");
}

TEST_CASE("a time-out of the job and one of its script are told apart") {
  fixture f;
  f.run_up_to_script();
  std::string expected = "script timeout: context deadline exceeded";
  SUBCASE("the script's own, from RUNNER_SCRIPT_TIMEOUT") {
  }
  SUBCASE("the job's") {
    f.world.run_for(3600s);
    expected = "execution took longer than 1h0m0s seconds";
  }
  f.plan_ends(plan_outcome::timed_out);
  CHECK(f.log_has("ERROR: Job failed: " + expected));
  CHECK_EQ(f.confirm().failure_reason, "job_execution_timeout");
}

TEST_CASE("time-outs of the preparation and of the sources have their texts") {
  fixture f;
  f.configure([](runner_config& x) {
    x.prepare_timeout = 5min;
    x.get_sources_timeout = 90s;
  });
  f.run_up_to_script();
  f.world.run_for(6min); // prepared in time
  std::string expected = "prepare timeout: exceeded timeout of 5m0s";
  uint32_t stage = 0;
  SUBCASE("the helper's first stage") {
  }
  SUBCASE("the sources") {
    stage = 1;
    expected = "get sources timeout: exceeded timeout of 1m30s";
  }
  f.plan_ends(plan_outcome::timed_out, 0, stage);
  CHECK(f.log_has("ERROR: Job failed: " + expected));
  CHECK_EQ(f.confirm().failure_reason, "job_execution_timeout");
}

TEST_CASE("preparing ends with its own time, whatever it waits for") {
  fixture f;
  f.configure([](runner_config& x) { x.prepare_timeout = 5min; });
  std::string expected = "prepare timeout: exceeded timeout of 5m0s";
  std::chrono::seconds patience = 5min;
  SUBCASE("for a slot") {
    f.start();
    f.gitlab_says(200);
  }
  SUBCASE("for the helper") {
    f.start();
    f.gitlab_says(200);
    f.world.run_for(4min);
    f.gets_slot();
    f.gets_route();
    patience = 1min;
  }
  SUBCASE("for a slot, and the job's time is shorter") {
    f.setup.payload.timeout_seconds = 60;
    f.start();
    f.gitlab_says(200);
    expected = "execution took longer than 1m0s seconds";
    patience = 1min;
  }
  f.world.run_for(patience - 1s);
  CHECK_FALSE(f.log_has("ERROR"));
  f.world.run_for(2s);
  CHECK(f.log_has("ERROR: Job failed: " + expected));
  CHECK_EQ(f.confirm().failure_reason, "job_execution_timeout");
}

TEST_CASE("what a policy says stands before the first step, once") {
  fixture f;
  f.setup.payload.policy = {"P", policy_overrides::allowed, {"A", "B"}};
  f.run_up_to_script();
  f.helper_says(frames::stage_begun{f.record++, 1000, 1, 1});
  CHECK_FALSE(f.log_has("policy"));
  f.helper_says(
    frames::stage_ended{f.record++, 1000, 1, 1, plan_outcome::success, 0, ""});
  f.helper_says(frames::stage_begun{f.record++, 1000, 2, 1});
  CHECK(f.log_has("\x1b[32;1mJob triggered by policy \"P\".\x1b[0;m\n"
                  "\x1b[32;1mUser-defined CI/CD variables are allowed in this "
                  "job (except for A, B) according to the pipeline execution "
                  "policy.\x1b[0;m\n"));
}

TEST_CASE("output that the instance had to drop is said to be missing") {
  fixture f;
  f.run_up_to_script();
  f.helper_says(
    frames::job_ended{f.record++, 2000, plan_outcome::success, 0, 0, 4096, ""});
  CHECK(f.log_has("4096 bytes of output are missing"));
  CHECK_EQ(f.confirm().state, "success");
}

TEST_CASE("a dead trace fails the job, since output would be lost") {
  fixture f;
  f.run_up_to_script();
  f.prints("x\n");
  f.world.run_for(200ms);
  auto trace = f.gitlab.last<patch_trace>().asker.handle;
  f.world.stop(trace);
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
  REQUIRE_EQ(f.runner.count<job_ended>(), 1);
  CHECK_FALSE(f.runner.last<job_ended>().success);
  CHECK_EQ(f.journal.count<forget_job>(), 0); // kept, to be told
}

TEST_CASE("a job stops with its runner") {
  fixture f;
  f.run_up_to_script();
  f.world.stop(f.runner.handle);
  CHECK_FALSE(f.traces->find(f.setup.key));
}

TEST_CASE("a job that must not be run fails before it has a slot") {
  fixture f;
  f.setup.payload.refusal = "run and script exclude each other";
  f.start();
  CHECK_EQ(f.group.count<acquire>(), 0);
  CHECK_EQ(f.gitlab.last<update_job>().state, "running");
  f.gitlab_says(200);
  CHECK(f.log_has("run and script exclude each other"));
  auto told = f.confirm();
  CHECK_EQ(told.state, "failed");
  CHECK_EQ(told.exit_code, 3);
}

TEST_CASE("another group is asked again, or told who holds its slot") {
  fixture f;
  f.start();
  auto other = f.world.spawn_probe<slot_source_actor>();
  group_changed changed{{"group", caf::actor_cast<caf::actor>(other.handle)}};
  SUBCASE("waiting") {
    f.world.send(f.it, changed);
    CHECK(other.last<acquire>().renewed);
  }
  SUBCASE("running") {
    f.gitlab_says(200);
    f.gets_slot();
    f.gets_route();
    f.start_is_written();
    f.world.send(f.it, changed);
    CHECK_EQ(other.last<claim>().key, f.setup.key);
  }
}

TEST_CASE("an acceptance that GitLab did not hear is told again") {
  fixture f;
  f.start();
  auto refuse = [&f](int64_t retry_after_ms) {
    update_result x;
    x.key = f.setup.key;
    x.state = "running";
    x.info.status = 503;
    x.info.retriable = true;
    x.info.retry_after_ms = retry_after_ms;
    f.world.send(f.it, x);
  };
  // The keep-alives of a silent job are its trace's.
  auto told = [&f] {
    size_t n = 0;
    for (const auto& x : f.gitlab.all<update_job>())
      n += x.asker.handle == f.it ? 1 : 0;
    return n;
  };
  REQUIRE_EQ(told(), 1);
  refuse(0);
  f.world.run_for(199ms);
  CHECK_EQ(told(), 1);
  f.world.run_for(2ms);
  CHECK_EQ(told(), 2);
  refuse(3'000);
  f.world.run_for(2'999ms);
  CHECK_EQ(told(), 2);
  f.world.run_for(2ms);
  CHECK_EQ(told(), 3);
  SUBCASE("until it did") {
    f.gitlab_says(200);
    f.gets_slot();
    f.gets_route();
    f.start_is_written();
    CHECK_EQ(f.wire->opened.size(), 1);
  }
  SUBCASE("or does not want the job") {
    f.gitlab_says(404);
    CHECK_EQ(f.runner.count<job_ended>(), 1);
  }
  SUBCASE("five times: then the job is run all the same") {
    refuse(0);
    f.world.run_for(1min);
    refuse(0);
    f.world.run_for(1min);
    CHECK_EQ(told(), 5);
    refuse(0);
    f.world.run_for(1s);
    f.gets_slot();
    f.gets_route();
    f.start_is_written();
    CHECK_EQ(f.wire->opened.size(), 1);
  }
}

TEST_CASE("a result outlasts a GitLab that is away for twenty minutes") {
  fixture f;
  f.run_up_to_script();
  f.prints("done\n");
  f.world.run_for(1s);
  size_t patches = 0;
  size_t updates = f.gitlab.count<update_job>(); // the acceptance
  size_t requests = 0;
  /// Answers what was asked since the last look as a GitLab that is away does.
  auto refuse = [&] {
    if (f.gitlab.count<patch_trace>() > patches) {
      patches = f.gitlab.count<patch_trace>();
      auto asked = f.gitlab.last<patch_trace>();
      patch_result x;
      x.key = f.setup.key;
      x.offset = asked.offset;
      x.total_bytes = static_cast<int64_t>(f.log().size());
      x.rendered_only = asked.length_max == 0;
      if (!x.rendered_only) {
        x.sent_bytes = x.total_bytes - asked.offset;
        x.info.text = "no answer";
        ++requests;
      }
      f.world.send(caf::actor_cast<trace_actor>(asked.asker.handle), x);
    }
    if (f.gitlab.count<update_job>() > updates) {
      updates = f.gitlab.count<update_job>();
      update_result x;
      x.key = f.setup.key;
      x.info.text = "no answer";
      ++requests;
      f.world.send(
        caf::actor_cast<trace_actor>(f.gitlab.last<update_job>().asker.handle),
        x);
    }
  };
  refuse();
  f.plan_ends(plan_outcome::failed, 42);
  CHECK_EQ(f.slot.count<vacate_slot>(), 1); // at once, whatever GitLab does
  for (auto i = 0; i < 20 * 60; ++i) {
    f.world.run_for(1s);
    refuse();
  }
  CHECK_EQ(f.runner.count<job_ended>(), 0);
  CHECK_LT(requests, 120); // it is not hammered
  auto asked = requests;
  for (auto i = 0; i < 60 && requests == asked; ++i) {
    f.world.run_for(1s);
    if (f.gitlab.count<patch_trace>() > patches
        || f.gitlab.count<update_job>() > updates)
      ++requests;
  }
  REQUIRE_GT(requests, asked); // within a minute
  auto told = f.confirm();
  CHECK_EQ(told.state, "failed");
  CHECK_EQ(told.exit_code, 42);
  CHECK_EQ(f.runner.count<job_ended>(), 1);
}

TEST_CASE("a job left while it waited for a slot is carried out by the next "
          "manager") {
  fixture f;
  f.start();
  f.gitlab_says(200);
  auto before = f.log();
  f.dies_and_goes_on();
  CHECK_EQ(f.log(), before); // GitLab may have it already
  CHECK(f.group.last<acquire>().renewed);
  f.gitlab_says(200);
  f.gets_slot();
  f.gets_route();
  f.start_is_written();
  REQUIRE_EQ(f.wire->opened.size(), 1);
  CHECK_NE(f.wire->last_stream().sent.find("make"), std::string::npos);
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.plan_ends(plan_outcome::success);
  CHECK_EQ(fixture::count_of("Running with", f.log()), 1);
  CHECK_EQ(f.confirm().state, "success");
}

TEST_CASE("a job that the earlier manager interrupted is told as that") {
  fixture f;
  f.run_up_to_script();
  f.world.send(f.it, cancel_job{cancel_reason::interrupted_by_term, false});
  f.dies_and_goes_on();
  f.is_claimed();
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.plan_ends(plan_outcome::canceled);
  CHECK(f.log_has("ERROR: Job failed: aborted: terminated"));
  CHECK_EQ(f.confirm().state, "failed");
}

TEST_CASE("a job left on an instance is attached to from its first record, and "
          "its log is the same") {
  fixture whole;
  whole.run_up_to_script();
  whole.prints("the password is hunter2");
  whole.prints("hunter2\n");
  whole.plan_ends(plan_outcome::success);
  fixture f;
  f.run_up_to_script();
  f.prints("the password is hunter2");
  f.dies_and_goes_on();
  CHECK_EQ(f.group.last<claim>().instance, instance_id{"i-1"});
  CHECK_EQ(f.group.count<acquire>(), 0);
  CHECK_EQ(f.gitlab.count<update_job>(), 0); // it runs already
  f.is_claimed();
  REQUIRE_EQ(f.wire->opened.size(), 2);
  auto expected = frames::encode(frames::hello{frames::version_min})
                  + frames::encode(frames::attach{"k", 0});
  CHECK_EQ(f.wire->last_stream().sent, expected);
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.prints("the password is hunter2");
  f.prints("hunter2\n");
  f.plan_ends(plan_outcome::success);
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
  CHECK_EQ(f.log(), whole.log());
  CHECK(f.log_has("the password is [MASKED]"));
  CHECK_EQ(f.confirm().state, "success");
}

TEST_CASE(
  "the first patch of a job that was left only asks how much is there") {
  fixture f;
  f.run_up_to_script();
  f.dies_and_goes_on();
  f.world.run_for(200ms);
  CHECK_EQ(f.gitlab.last<patch_trace>().offset, 0);
  CHECK_EQ(f.gitlab.last<patch_trace>().length_max, 1);
}

TEST_CASE("a job that died on its way to the helper may have run: its loss is "
          "the system's") {
  fixture f;
  f.run_up_to_plan();
  f.dies_and_goes_on();
  f.is_claimed();
  f.wire->last_stream().sink->opened();
  f.helper_says(
    frames::refused{"k", helper_errc::unknown_key, "there is no job k here"});
  CHECK(f.log_has("(system failure): muster-helper on instance i-1 lost the "
                  "job: there is no job k here"));
  for (const auto& [id, stream] : f.wire->streams)
    if (id == f.wire->opened.back())
      CHECK_EQ(stream.sent.find("make"), std::string::npos); // never again
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("last words of a job that is lost follow on what GitLab has") {
  fixture f;
  f.run_up_to_script();
  f.prints("GitLab has this\n");
  auto there = static_cast<int64_t>(f.log().size());
  f.dies_and_goes_on();
  f.world.run_for(200ms);
  auto probe = f.gitlab.last<patch_trace>();
  patch_result missed;
  missed.key = f.setup.key;
  missed.sent_bytes = 1;
  missed.range_end = there;
  missed.total_bytes = static_cast<int64_t>(f.log().size());
  missed.info.status = 416;
  f.world.send(caf::actor_cast<trace_actor>(probe.asker.handle), missed);
  auto here = static_cast<int64_t>(f.log().size());
  acquired gone;
  gone.key = f.setup.key;
  gone.why = error_of(instance_errc::removed_externally, "not listed");
  f.world.send(f.it, gone);
  auto patch = f.gitlab.last<patch_trace>();
  CHECK_EQ(patch.offset, here);
  CHECK_EQ(patch.offset + patch.shift, there);
  CHECK(f.log_has("(system failure): instance i-1 was lost: "));
  CHECK_EQ(f.group.count<unreserve>(), 1);
}

TEST_CASE("the time of a job runs on while no manager is there") {
  fixture f;
  f.setup.taken_us = 1'790'000'000'000'000 - 3'000'000'000; // 50 minutes ago
  f.run_up_to_script();
  f.dies_and_goes_on();
  f.is_claimed();
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.world.run_for(10min + 5min - 1s);
  CHECK_EQ(f.slot.count<vacate_slot>(), 0);
  f.world.run_for(2s);
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
  CHECK(f.log_has("execution took longer than 1h0m0s seconds"));
}

TEST_CASE("a job that was left stays with the helper that has it, and has it "
          "clean up") {
  fixture f;
  f.run_up_to_script();
  f.dies_and_goes_on();
  f.gets_slot();
  f.world.send(f.it, stream_route{f.setup.key, 6, "/run/newer.sock", {}});
  CHECK_EQ(f.wire->last_stream().path, "/run/helper.sock");
  f.wire->last_stream().sink->opened();
  f.helper_says(frames::accepted{"k"});
  f.plan_ends(plan_outcome::success);
  CHECK_NE(f.wire->last_stream().sent.find(frames::encode(frames::clean{"k"})),
           std::string::npos);
}

TEST_CASE("where no helper runs, scripts run one by one from here") {
  fixture f;
  f.run_without_helper();
  CHECK(
    f.log_has("muster-helper cannot run on this instance (no folder for it)"));
  CHECK_NE(f.wire->last_stream().command.command.find("MUSTER_JOB_MARK"),
           std::string::npos);
  CHECK(f.wire->last_stream().command.ends_input);
  auto scripts = 1;
  while (f.wire->commands.empty() && scripts < 20) {
    if (f.script_now().find("make") != std::string::npos) {
      auto sink = f.wire->last_stream().sink;
      sink->data("built with hunter2");
      sink->data("hunter2\n");
      sink->error_data("a warning\n");
    }
    f.script_ends(0);
    ++scripts;
  }
  CHECK_GE(scripts, 3);
  CHECK_EQ(f.slot.count<vacate_slot>(), 0); // what it left is ended first
  REQUIRE_EQ(f.wire->commands.size(), 1);
  f.sweep_says("clean\n");
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
  CHECK(f.log_has("built with [MASKED]"));
  CHECK(f.log_has("a warning"));
  CHECK_EQ(f.confirm().state, "success");
}

TEST_CASE("a background process does not hold up a script without helper") {
  fixture f;
  f.run_without_helper();
  auto id = f.wire->opened.back();
  f.wire->streams[id].sink->error_data("\x01muster-exit-" + std::to_string(id)
                                       + ":0\x01");
  f.world.run_for(1s);
  CHECK_EQ(f.wire->opened.size(), 1);
  f.world.run_for(2s);
  CHECK_EQ(f.wire->opened.size(), 2);
  CHECK(f.wire->streams[id].is_closed);
}

TEST_CASE("a lost connection ends a job without helper, in words") {
  fixture f;
  f.run_without_helper();
  f.wire->last_stream().sink->closed({connection_errc::lost, "reset by peer"});
  f.world.run();
  CHECK(f.log_has("without muster-helper there the job cannot go on: "));
  CHECK(f.log_has("reset by peer"));
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("a script without helper that ignores SIGTERM is killed with all its "
          "processes") {
  fixture f;
  f.run_without_helper();
  while (f.script_now().find("make") == std::string::npos)
    f.script_ends(0);
  f.world.send(f.it, job_ordered{job_order::canceling});
  REQUIRE_EQ(f.wire->commands.size(), 1);
  CHECK_NE(f.wire->commands[0].what.command.find("-TERM"), std::string::npos);
  f.world.run_for(9s);
  CHECK_EQ(f.wire->commands.size(), 1);
  f.world.run_for(2s);
  REQUIRE_EQ(f.wire->commands.size(), 2);
  CHECK_NE(f.wire->commands[1].what.command.find("-KILL"), std::string::npos);
  SUBCASE("gone") {
    f.sweep_says("clean\n");
    while (f.wire->commands.size() == 2)
      f.script_ends(0); // cleaning up
    f.sweep_says("clean\n");
    CHECK(f.log_has("ERROR: Job failed: canceled"));
  }
  SUBCASE("not to be killed") {
    f.sweep_says("left 17\n");
    while (f.wire->commands.size() == 2)
      f.script_ends(0);
    f.sweep_says("left 17\n");
  }
  CHECK_EQ(f.slot.count<vacate_slot>(), 1); // which cleans again
}

TEST_CASE(
  "a job without helper ends with its manager; its slot is claimed to be "
  "cleaned") {
  fixture f;
  f.run_without_helper();
  f.dies_and_goes_on();
  CHECK_EQ(f.group.last<claim>().instance, instance_id{"i-1"});
  CHECK_EQ(f.dialer.count<open_stream>(), 0);
  f.gets_slot();
  CHECK_EQ(f.slot.count<vacate_slot>(), 1);
  CHECK(f.log_has("nobody could go on with the job"));
  CHECK_EQ(f.confirm().failure_reason, "runner_system_failure");
}

TEST_CASE("a wall clock that jumps does not end a job, nor bring one back") {
  fixture f;
  f.setup.taken_us = *f.clock;
  f.run_up_to_script();
  SUBCASE("a year on") {
    *f.clock += 31'536'000'000'000;
  }
  SUBCASE("a year back") {
    *f.clock -= 31'536'000'000'000;
    f.dies_and_goes_on();
    f.is_claimed();
    f.wire->last_stream().sink->opened();
    f.helper_says(frames::accepted{"k"});
  }
  f.world.run_for(30min);
  f.prints("still here\n");
  CHECK(f.log_has("still here"));
  CHECK_EQ(f.slot.count<vacate_slot>(), 0);
  f.world.run_for(30min + 5min + 1s);
  CHECK_EQ(f.slot.count<vacate_slot>(), 1); // by its own time
}

namespace {

void configure_containers(fixture& f, const std::string& host = "") {
  f.configure([&host](runner_config& x) {
    x.executor = "docker-autoscaler";
    x.builds_dir = "/builds";
    x.cache_dir = "/cache";
    x.docker.emplace();
    x.docker->image = "alpine";
    x.docker->host = host;
  });
}

/// A job in containers, whose plan the helper has.
void run_in_containers(fixture& f) {
  f.setup.payload.trace_sections = true;
  configure_containers(f);
  f.run_up_to_script();
}

/// What the helper says of the stage that prepares the containers.
void prepare_containers(fixture& f) {
  f.helper_says(frames::stage_begun{f.record++, 100, 0, 1});
  f.prints("\x1b[0KUsing Docker executor with image alpine ...\x1b[0;m\n");
  f.helper_says(
    frames::stage_ended{f.record++, 2000, 0, 1, plan_outcome::success, 0, ""});
  f.helper_says(frames::stage_begun{f.record++, 3000, 1, 1});
}

} // namespace

TEST_CASE("preparing containers is in the section of preparing the executor") {
  fixture f;
  run_in_containers(f);
  CHECK(f.log_has("Preparing the \"docker-autoscaler\" executor"));
  CHECK(f.log_has("Using default image"));
  CHECK_EQ(f.count_of(":prepare_executor\r", f.log()), 1);
  prepare_containers(f);
  auto text = f.log();
  CHECK_EQ(f.count_of("section_start:1790000000:prepare_executor\r", text), 1);
  CHECK_EQ(f.count_of("section_end:1790000000:prepare_executor\r", text), 1);
  CHECK_EQ(f.count_of("Preparing the", text), 1);
  auto end = text.find("section_end:1790000000:prepare_executor\r");
  CHECK_LT(text.find("Using Docker executor with image alpine ..."), end);
  CHECK_LT(end, text.find("prepare_script\r"));
  SUBCASE("at the job's end it is not ended again") {
    f.plan_ends(plan_outcome::success);
    CHECK_EQ(f.count_of(":prepare_executor\r", f.log()), 2);
  }
  SUBCASE("another manager makes the same of it") {
    f.dies_and_goes_on();
    f.is_claimed();
    f.wire->last_stream().sink->opened();
    f.helper_says(frames::accepted{"k"});
    CHECK_EQ(f.count_of(":prepare_executor\r", f.log()), 1);
    prepare_containers(f);
    CHECK_EQ(f.log(), text);
  }
}

TEST_CASE(
  "a job that fails while its containers are prepared ends the section") {
  fixture f;
  run_in_containers(f);
  f.helper_says(frames::stage_begun{f.record++, 100, 0, 1});
  f.helper_says(frames::job_ended{f.record++, 2000, plan_outcome::broken, 0, 0,
                                  0, "the Engine is gone"});
  auto text = f.log();
  CHECK_EQ(f.count_of("section_end:1790000000:prepare_executor\r", text), 1);
  CHECK_LT(text.find("section_end:1790000000:prepare_executor\r"),
           text.find("instance i-1: the Engine is gone"));
}

TEST_CASE("a job in containers is carried out from here where it must be") {
  fixture f;
  configure_containers(f, "unix:///run/theirs.sock");
  f.start();
  f.gitlab_says(200);
  f.gets_slot();
  f.world.send(f.it, stream_route{f.setup.key,
                                  9,
                                  "/here/helper.sock",
                                  {},
                                  "",
                                  "none for its platform",
                                  "bridge:///here/engine.sock"});
  f.world.send(f.it, job_start_written{f.setup.key, {}});
  CHECK(f.log_has("muster-helper cannot run on this instance (none for its "
                  "platform)"));
  const auto& stream = f.wire->last_stream();
  CHECK_EQ(stream.connection, 9);
  CHECK_EQ(stream.path, "/here/helper.sock");
  frames::decoder sent;
  sent.feed(stream.sent);
  std::optional<job_plan> plan;
  while (auto frame = sent.next()) {
    if (!*frame)
      break;
    if (auto* x = std::get_if<frames::run_containers>(&**frame))
      plan = std::move(x->plan);
  }
  REQUIRE(plan);
  CHECK_EQ(plan->containers->host, "bridge:///here/engine.sock");
}

TEST_CASE("without a helper no job in containers is tried") {
  fixture f;
  configure_containers(f);
  f.start();
  f.gitlab_says(200);
  f.gets_slot();
  f.world.send(f.it,
               stream_route{f.setup.key, 5, "", {}, "", "no folder for it"});
  CHECK(f.log_has("Job failed (system failure): jobs in containers need "
                  "muster-helper, and it cannot run on instance i-1: no "
                  "folder for it"));
  CHECK_EQ(f.journal.count<write_job_start>(), 0);
  CHECK(f.wire->opened.empty());
}
