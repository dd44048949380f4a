#include "messages/errors.hpp"
#include "tests/unit/explain/recording.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::explain;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

int64_t ms(const job_story& x, wait_part part) {
  return x.waited_us.at(static_cast<size_t>(part)) / 1000;
}

job_story only_job(hand_recording& x) {
  auto all = x.finish();
  REQUIRE_EQ(all.jobs.size(), 1);
  return all.jobs[0];
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a boot's parts are told one by one and add up") {
  hand_recording x;
  x.after(10s);
  x.asks("k");
  x.after(2s);
  x.offers("k", 42, 1.5);
  x.after(100ms);
  x.acquires("k");
  x.after(50ms);
  x.grows();
  x.after(3s);
  x.appears("i-1", 3s);
  x.after(30s);
  x.handled(x.instance_role("i-1"), provider_state{cloud_state::running});
  x.after(4s);
  x.handled(x.instance_role("i-1"), dialed{instance_id{"i-1"}, "key", {}});
  x.after(6s);
  x.becomes_ready("i-1");
  x.after(1s);
  x.gets_slot("k", 42, "i-1");
  x.after(300ms);
  x.begins("k", 42);
  x.after(5s);
  x.handled(x.job_role(42), plan_ended{});
  x.ends("k", 42);
  auto job = only_job(x);
  CHECK_EQ(ms(job, wait_part::gitlab), 1500);
  CHECK_EQ(ms(job, wait_part::journal), 100);
  CHECK_EQ(ms(job, wait_part::growth), 50);
  CHECK_EQ(ms(job, wait_part::boot), 33'000);
  CHECK_EQ(ms(job, wait_part::dial), 4'000);
  CHECK_EQ(ms(job, wait_part::ready_command), 6'000);
  CHECK_EQ(ms(job, wait_part::queue), 1'000);
  CHECK_EQ(ms(job, wait_part::route), 300);
  CHECK_EQ(ms(job, wait_part::start), 200);
  // From queued (offer less 1.5 s) to begun.
  auto whole = job.began->us - job.offered->us + 1'500'000;
  CHECK_EQ(job.waited(), whole);
  CHECK(has(job.because.at(static_cast<size_t>(wait_part::boot)),
            "1 job waits for a slot"));
  CHECK(job.success);
  CHECK_EQ(job.instance, "i-1");
}

TEST_CASE("a slot of an instance that was ready is waited for in the queue") {
  hand_recording x;
  x.appears("i-1", 0s);
  x.becomes_ready("i-1");
  x.after(1s);
  x.asks("k");
  x.offers("k", 7, 0);
  x.acquires("k");
  x.after(9s);
  x.gets_slot("k", 7, "i-1");
  auto job = only_job(x);
  CHECK_EQ(ms(job, wait_part::queue), 9'000);
  CHECK_EQ(job.waited(), 9'000'000);
  CHECK_FALSE(job.ended);
}

TEST_CASE("time in GitLab's queue is told by what the runner was doing") {
  hand_recording x;
  x.after(1s);
  x.handled("manager", permit_request{runner_id{"r"}});
  x.after(4s); // concurrent
  x.handled("runner:r", permit{});
  refusal_note refusal;
  refusal.key = acquisition_key{"k0"};
  refusal.max_instances = 1;
  x.note("runner:r/group", refusal);
  x.handled("runner:r", reserved{acquisition_key{"k0"},
                                 error_of(capacity_errc::no_capacity, "no")});
  x.handled("manager", permit_back{runner_id{"r"}});
  x.after(5s); // no promise
  x.asks("k");
  x.after(2s);
  x.offers("k", 9, 20);
  auto job = only_job(x);
  CHECK_EQ(ms(job, wait_part::permit), 4'000);
  CHECK_EQ(ms(job, wait_part::reservation), 5'000);
  CHECK_EQ(ms(job, wait_part::gitlab), 2'000);
  CHECK_EQ(ms(job, wait_part::pause), 1'000);
  CHECK_EQ(ms(job, wait_part::unknown), 8'000);
  CHECK_EQ(job.waited(), 20'000'000);
  CHECK(has(job.because.at(static_cast<size_t>(wait_part::reservation)),
            "no more than 1 instance"));
}

TEST_CASE("growth that was held back is the reason for a wait before a boot") {
  hand_recording x;
  decision_note held;
  held.rule = decision_rule::pending;
  held.required = held.unrestricted = held.pending = 1;
  held.not_taken = {{decision_rule::failure_pause, 1, 40'000}};
  x.note("runner:r/group", held);
  x.asks("k");
  x.offers("k", 3, 0);
  x.acquires("k");
  x.after(40s);
  x.grows();
  x.after(1s);
  x.appears("i-2", 1s);
  x.handled(x.instance_role("i-2"), provider_state{cloud_state::running});
  x.handled(x.instance_role("i-2"), dialed{instance_id{"i-2"}, "key", {}});
  x.becomes_ready("i-2");
  x.gets_slot("k", 3, "i-2");
  auto job = only_job(x);
  CHECK_EQ(ms(job, wait_part::growth), 40'000);
  CHECK(has(job.because.at(static_cast<size_t>(wait_part::growth)),
            "instances did not become ready"));
}

TEST_CASE("a job without a slot, one without a way and a failed one are told") {
  hand_recording x;
  x.asks("k");
  x.offers("k", 5, 0);
  x.acquires("k");
  x.handled(x.job_role(5), acquire_waits{acquisition_key{"k"}, "waiting for"});
  x.after(15min);
  acquired none;
  none.key = acquisition_key{"k"};
  none.why = error_of(capacity_errc::acquire_timed_out, "too late");
  x.handled(x.job_role(5), none);
  x.ends("k", 5, false);
  auto job = only_job(x);
  CHECK_EQ(job.waited(), 900'000'000);
  CHECK_FALSE(job.success);
  CHECK_EQ(job.failure, "script_failure");
  REQUIRE_EQ(job.told.all().size(), 2);
  CHECK_EQ(job.told.all()[0].text, "waiting for");
  CHECK(has(job.told.all()[1].text, "too late"));
  CHECK_FALSE(job.began);
}

TEST_CASE("what befalls a running job is in its story") {
  hand_recording x;
  x.asks("k");
  x.offers("k", 5, -1); // GitLab did not say
  x.acquires("k");
  x.gets_slot("k", 5, "i-9");
  x.begins("k", 5);
  stream_lost lost;
  lost.why = error_of(connection_errc::unreachable, "reset by peer");
  x.handled(x.job_role(5), lost);
  x.handled(x.job_role(5), cancel_job{});
  plan_ended end;
  end.outcome = plan_outcome::failed;
  end.stage = "step_script";
  end.exit_code = 3;
  x.handled(x.job_role(5), end);
  x.note("", run_begun{"run2", "1.1", "def", 1});
  left_jobs left;
  left.jobs.resize(1);
  left.jobs[0].key = acquisition_key{"k"};
  left.jobs[0].payload.id = 5;
  left.jobs[0].at = left_phase::started;
  left.jobs[0].instance = instance_id{"i-9"};
  x.handled("runner:r", left);
  auto all = x.finish();
  REQUIRE_EQ(all.jobs.size(), 1);
  std::string told;
  for (const auto& y : all.jobs[0].told.all())
    told += y.text + "\n";
  CHECK(has(told, "reset by peer"));
  CHECK(has(told, "cancelled in GitLab"));
  CHECK(has(told, "stage step_script, exit code 3"));
  CHECK(has(told, "muster was started anew"));
  CHECK(has(told, "taken over from an earlier run"));
  CHECK_EQ(all.runs.size(), 2);
}

TEST_CASE("with a job asked for, others are not kept") {
  hand_recording x{{.job = 2}};
  for (int64_t i = 1; i <= 3; ++i) {
    auto key = "k" + std::to_string(i);
    x.asks(key);
    x.offers(key, i, 0);
    x.acquires(key);
    x.gets_slot(key, i, "i-" + std::to_string(i));
  }
  auto all = x.finish();
  REQUIRE_EQ(all.jobs.size(), 1);
  CHECK_EQ(all.jobs[0].job, 2);
}

TEST_CASE("jobs that are over are forgotten before memory runs out") {
  hand_recording x;
  auto many = static_cast<int64_t>(teller::kept) + 10;
  for (int64_t i = 1; i <= many; ++i) {
    auto key = "k" + std::to_string(i);
    x.offers(key, i, 0);
    x.after(1ms);
    if (i != 1)
      x.ends(key, i);
  }
  auto all = x.finish();
  CHECK_LE(all.jobs.size(), teller::kept);
  CHECK_EQ(all.jobs.size() + all.left_out, static_cast<size_t>(many));
  CHECK_EQ(all.jobs.front().job, 1); // not over: it stays
  CHECK_EQ(all.jobs.back().job, many);
}
