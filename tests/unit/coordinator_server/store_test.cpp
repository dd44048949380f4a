#include "tools/coordinator/store.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <string>
#include <thread>

using namespace muster::gitlab;
using namespace std::chrono_literals;

namespace {

const std::string runner = "glrt-test-token-1";

bool always_there() {
  return true;
}

/// A store with what a client does to it.
struct world {
  explicit world(store_options options = {})
    : jobs(std::move(options), violations) {
  }

  int64_t add(job_template what = {}) {
    return jobs.enqueue(std::make_shared<const job_template>(std::move(what)))
      .front();
  }

  job_reply poll(const std::string& cursor = {}) {
    return jobs.request_job({runner, "s_0123456789ab", cursor}, always_there);
  }

  job_answer update(const job_view& job, const std::string& state,
                    const std::string& log = {}) {
    job_update what{job.id, job.token, state, {}, 0, !log.empty(), {}, 0};
    if (!log.empty()) {
      what.size = log.size();
      what.checksum = checksum_text(crc32_of(log));
    }
    return jobs.update(what);
  }

  job_answer patch(const job_view& job, uint64_t from, std::string text) {
    byte_range range{from, from + text.size() - 1};
    return jobs.patch(job.id, job.token, range, std::move(text));
  }

  /// Takes and accepts the next job.
  job_view run() {
    auto job = *poll().job;
    update(job, "running");
    return job;
  }

  violation_log violations;
  store jobs;
};

job_state state_of(world& x, int64_t id) {
  return x.jobs.job(id)->state;
}

} // namespace

TEST_CASE("a job goes from the queue to its result without a violation") {
  world x;
  auto id = x.add();
  auto reply = x.poll();
  REQUIRE_EQ(reply.status, 201);
  CHECK_EQ(reply.job->id, id);
  CHECK_EQ(state_of(x, id), job_state::pending);
  CHECK_EQ(x.update(*reply.job, "running").job_status, "running");
  CHECK_EQ(x.patch(*reply.job, 0, "one\n").status, 202);
  auto patched = x.patch(*reply.job, 4, "two\n");
  CHECK_EQ(patched.status, 202);
  CHECK_EQ(patched.trace_size, 8);
  CHECK_EQ(x.update(*reply.job, "success", "one\ntwo\n").status, 200);
  auto job = *x.jobs.job(id);
  CHECK_EQ(job.state, job_state::success);
  CHECK_EQ(x.jobs.trace(id), "one\ntwo\n");
  CHECK_EQ(job.arrivals.size(), 2);
  CHECK(job.queued_us <= job.handed_out_us);
  CHECK(job.handed_out_us <= job.accepted_us);
  CHECK(job.accepted_us <= job.finished_us);
  CHECK_EQ(x.violations.total(), 0);
}

TEST_CASE("an unknown runner token is answered with 403") {
  world x;
  x.add();
  CHECK_EQ(x.jobs.request_job({"glrt-other", {}, {}}, always_there).status,
           403);
  CHECK_EQ(x.violations.counts().at("runner-token"), 1);
}

TEST_CASE("a job is only given to the runner that it is meant for") {
  store_options options;
  options.runner_tokens = {runner, "glrt-b"};
  world x{options};
  job_template what;
  what.runner_token = "glrt-b";
  x.add(what);
  CHECK_EQ(x.poll().status, 204);
  CHECK_EQ(x.jobs.request_job({"glrt-b", {}, {}}, always_there).status, 201);
}

TEST_CASE("a request parks only with the current cursor") {
  store_options options;
  options.long_poll = 20s;
  world x{options};
  auto first = x.poll(); // would hang if it parked
  CHECK_EQ(first.status, 204);
  CHECK_EQ(x.poll("older").status, 204);
  REQUIRE_FALSE(first.last_update.empty());

  std::atomic<int> status = 0;
  std::thread client{[&] { status = x.poll(first.last_update).status; }};
  while (x.jobs.parked() == 0)
    std::this_thread::yield();
  SUBCASE("and gets the job that comes") {
    x.add();
    client.join();
    CHECK_EQ(status, 201);
  }
  SUBCASE("and ends with the store") {
    x.jobs.close();
    client.join();
    CHECK_EQ(status, 204);
  }
}

TEST_CASE("as Workhorse, a parked request is only woken") {
  store_options options;
  options.long_poll = 20s;
  options.long_poll_only_wakes = true;
  world x{options};
  auto cursor = x.poll().last_update;
  std::atomic<int> status = 0;
  std::thread client{[&] { status = x.poll(cursor).status; }};
  while (x.jobs.parked() == 0)
    std::this_thread::yield();
  x.jobs.close(); // closed stores give no jobs, woken ones neither
  x.add();
  client.join();
  CHECK_EQ(status, 204);
}

TEST_CASE("a client that went away while parked is given no job") {
  store_options options;
  options.long_poll = 20s;
  world x{options};
  auto cursor = x.poll().last_update;
  std::atomic<bool> there = true;
  std::atomic<int> status = 0;
  std::thread client{[&] {
    status
      = x.jobs.request_job({runner, {}, cursor}, [&] { return there.load(); })
          .status;
  }};
  while (x.jobs.parked() == 0)
    std::this_thread::yield();
  there = false;
  auto id = x.add();
  client.join();
  CHECK_EQ(status, 204);
  CHECK_EQ(x.jobs.job(id)->handed_out_us, 0);
}

TEST_CASE("a job that nobody accepts is queued again under another token") {
  store_options options;
  options.accept_within = 0ms;
  world x{options};
  auto id = x.add();
  auto lost = *x.poll().job;
  auto again = x.poll();
  REQUIRE_EQ(again.status, 201);
  CHECK_EQ(again.job->id, id);
  CHECK_NE(again.job->token, lost.token);
  CHECK_EQ(x.update(lost, "running").status, 403);
}

TEST_CASE("patches must be contiguous") {
  struct row {
    std::string what;
    uint64_t from;
    std::string text;
    int status;
    const char* violation;
  };
  const row rows[] = {
    {"the next bytes", 4, "more", 202, nullptr},
    {"a gap", 5, "more", 416, "trace-gap"},
    {"an overlap", 2, "more", 416, "trace-overlap"},
    {"all again and more", 0, "one\nmore", 416, "trace-overlap"},
    {"exactly the same again", 0, "one\n", 202, "trace-overlap"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    world x;
    x.add();
    auto job = x.run();
    x.patch(job, 0, "one\n");
    auto answer = x.patch(job, r.from, r.text);
    CHECK_EQ(answer.status, r.status);
    CHECK_EQ(x.violations.total(), r.violation == nullptr ? 0 : 1);
    if (r.violation != nullptr)
      CHECK_EQ(x.violations.list().front().rule, r.violation);
    CHECK_EQ(answer.trace_size, r.from == 4 ? 8 : 4);
  }
}

TEST_CASE("after a fault on its requests, repeating is no violation") {
  world x;
  x.add();
  auto job = x.run();
  x.patch(job, 0, "one\n");
  x.jobs.excuse(job.id);
  CHECK_EQ(x.patch(job, 0, "one\n").status, 202);
  CHECK_EQ(x.patch(job, 2, "xxxx").status, 416);
  x.update(job, "success", "one\n");
  CHECK_EQ(x.update(job, "success", "one\n").status, 403);
  CHECK_EQ(x.violations.total(), 0);
}

TEST_CASE("a patch whose range does not fit its bytes is refused") {
  world x;
  x.add();
  auto job = x.run();
  CHECK_EQ(x.jobs.patch(job.id, job.token, std::nullopt, "abc").status, 400);
  CHECK_EQ(x.jobs.patch(job.id, job.token, byte_range{0, 3}, "abc").status,
           400);
  CHECK_EQ(x.jobs.patch(job.id, job.token, byte_range{0, 0}, "").status, 400);
  CHECK_EQ(x.violations.counts().at("content-range"), 3);
}

TEST_CASE("a wrong size or checksum at the end asks for the log again") {
  world x;
  auto id = x.add();
  auto job = x.run();
  x.patch(job, 0, "log\n");
  CHECK_EQ(x.update(job, "success", "lag\n").status, 412);
  CHECK_EQ(x.update(job, "success", "longer log\n").status, 412);
  CHECK_EQ(x.violations.counts().at("checksum"), 1);
  CHECK_EQ(x.violations.counts().at("trace-size"), 1);
  CHECK_EQ(x.patch(job, 0, "log\n").status, 202);
  CHECK_EQ(x.update(job, "success", "log\n").status, 200);
  CHECK_EQ(state_of(x, id), job_state::success);
}

TEST_CASE("a manager that never saw the log ends its job without a checksum") {
  struct row {
    std::string reason;
    size_t violations;
  };
  for (const auto& [reason, violations] :
       {row{"runner_system_failure", 0}, row{"script_failure", 1}}) {
    CAPTURE(reason);
    world x;
    x.add();
    auto job = x.run();
    x.patch(job, 0, "hello");
    job_update what{job.id, job.token, "failed", reason, 0, false, {}, 0};
    CHECK_EQ(x.jobs.update(what).status, 200);
    CHECK_EQ(x.jobs.trace(job.id), "hello");
    CHECK_EQ(x.violations.total(), violations);
  }
}

TEST_CASE("a client that never gets its checksum right is let go") {
  world x;
  auto id = x.add();
  auto job = x.run();
  int tries = 0;
  while (!ended(state_of(x, id)) && tries < 10) {
    x.update(job, "failed", "wrong");
    ++tries;
  }
  CHECK_EQ(tries, 4);
}

TEST_CASE("what is wrong with an update has a name") {
  struct row {
    std::string rule;
    std::string state;
    std::string reason;
    int exit_code;
    int status;
  };
  const row rows[] = {
    {"state", "finished", "", 0, 400},
    {"final-update", "success", "", 3, 200},
    {"final-update", "success", "script_failure", 0, 200},
    {"failure-reason", "failed", "job_canceled", 0, 200},
  };
  for (const auto& r : rows) {
    CAPTURE(r.rule);
    world x;
    x.add();
    auto job = x.run();
    job_update what{job.id,      job.token, r.state, r.reason,
                    r.exit_code, false,     {},      0};
    CHECK_EQ(x.jobs.update(what).status, r.status);
    CHECK_GE(x.violations.counts().count(r.rule), 1);
  }
}

TEST_CASE("requests without the right token or job are refused") {
  world x;
  x.add();
  auto job = x.run();
  auto other = job;
  other.token = "glcbt-other";
  CHECK_EQ(x.update(other, "running").status, 403);
  CHECK_EQ(x.patch(other, 0, "x").status, 403);
  other.id = 4711;
  CHECK_EQ(x.update(other, "running").status, 404);
  CHECK_EQ(x.patch(other, 0, "x").status, 404);
  CHECK_EQ(x.violations.counts().at("job-token"), 2);
  CHECK_EQ(x.violations.counts().at("unknown-job"), 2);
}

TEST_CASE("nothing may follow a final state that was answered") {
  world x;
  x.add();
  auto job = x.run();
  x.update(job, "success");
  auto answer = x.update(job, "failed");
  CHECK_EQ(answer.status, 403);
  CHECK_EQ(answer.job_status, "success");
  CHECK_EQ(x.patch(job, 0, "late").status, 403);
  CHECK_EQ(x.violations.counts().at("after-final-state"), 2);
}

TEST_CASE("acceptance comes first and once") {
  world x;
  x.add();
  auto job = *x.poll().job;
  x.patch(job, 0, "early");
  CHECK_EQ(x.violations.counts().at("acceptance"), 1);
  x.update(job, "running");
  x.update(job, "running"); // no touch: a touch names size and checksum
  CHECK_EQ(x.violations.counts().at("acceptance"), 2);
  x.update(job, "running", "early");
  CHECK_EQ(x.violations.total(), 2);
}

TEST_CASE("cancelling tells a running job and ends a waiting one") {
  world x;
  auto running = x.add();
  auto job = x.run();
  auto waiting = x.add();
  SUBCASE("graceful") {
    CHECK(x.jobs.cancel(running, true));
    CHECK(x.jobs.cancel(waiting, true));
    auto answer = x.patch(job, 0, "x");
    CHECK_EQ(answer.status, 202);
    CHECK_EQ(answer.job_status, "canceling");
    CHECK_EQ(x.update(job, "failed", "x").status, 200);
    CHECK_EQ(state_of(x, running), job_state::canceled);
  }
  SUBCASE("at once") {
    CHECK(x.jobs.cancel(running, false));
    CHECK(x.jobs.cancel(waiting, false));
    auto answer = x.update(job, "running");
    CHECK_EQ(answer.status, 403);
    CHECK_EQ(answer.job_status, "canceled");
  }
  CHECK_EQ(state_of(x, waiting), job_state::canceled);
  CHECK_EQ(x.poll().status, 204);
  CHECK_FALSE(x.jobs.cancel(waiting, true));
  CHECK_EQ(x.violations.total(), 0);
}

TEST_CASE("two requests for one job at a time are a violation") {
  world x;
  auto id = x.add();
  x.jobs.enter(id);
  x.jobs.leave(id);
  x.jobs.enter(id);
  CHECK_EQ(x.violations.total(), 0);
  x.jobs.enter(id);
  CHECK_EQ(x.violations.counts().at("concurrent-requests"), 1);
}

TEST_CASE("more jobs than are remembered are not taken") {
  store_options options;
  options.jobs_max = 3;
  world x{options};
  auto what = std::make_shared<const job_template>();
  CHECK_EQ(x.jobs.enqueue(what, 4).size(), 0);
  CHECK_EQ(x.jobs.enqueue(what, 3).size(), 3);
  CHECK_EQ(x.jobs.enqueue(what, 1).size(), 0);
  auto job = x.run();
  x.update(job, "success");
  CHECK_EQ(x.jobs.forget_ended(), 1);
  CHECK_EQ(x.jobs.enqueue(what, 1).size(), 1);
}

TEST_CASE("a later stage starts when the earlier one has ended") {
  world x;
  std::vector<pipeline_job> jobs(3);
  jobs[0].job.name = "build";
  jobs[1].job.name = "test";
  jobs[1].stage = 1;
  jobs[2].job.name = "report";
  jobs[2].stage = 2;
  jobs[2].job.when = run_when::always;
  auto id = x.jobs.start_pipeline("p", std::move(jobs));
  auto build = x.run();
  CHECK_EQ(build.name, "build");
  CHECK_EQ(x.poll().status, 204);
  SUBCASE("after a success all run") {
    x.update(build, "success");
    auto test = x.run();
    CHECK_EQ(test.name, "test");
    x.update(test, "success");
    auto report = x.run();
    x.update(report, "success");
    CHECK_EQ(x.jobs.pipeline(id)->state, "success");
  }
  SUBCASE("after a failure only what runs always") {
    x.update(build, "failed");
    auto report = x.run();
    CHECK_EQ(report.name, "report");
    x.update(report, "success");
    CHECK_EQ(x.jobs.pipeline(id)->state, "failed");
  }
  CHECK(x.jobs.wait_pipeline(id, 0ms));
  CHECK(x.jobs.wait_job(0, 0ms));
}

TEST_CASE("a job is as expected by state and exit code") {
  struct row {
    std::string expect;
    job_state state;
    int code;
    bool met;
  };
  const row rows[] = {
    {"success", job_state::success, 0, true},
    {"success", job_state::failed, 1, false},
    {"failed", job_state::failed, 7, true},
    {"failed:3", job_state::failed, 3, true},
    {"failed:3", job_state::failed, 4, false},
    {"failed:3", job_state::success, 0, false},
    {"canceled", job_state::canceled, 0, true},
  };
  for (const auto& r : rows) {
    CAPTURE(r.expect);
    job_view job;
    job.expect = r.expect;
    job.state = r.state;
    job.exit_code = r.code;
    CHECK_EQ(as_expected(job), r.met);
  }
}
