#include "tools/muster/simulate/figures.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::simulate;
using namespace std::chrono_literals;
using simulated::job_fate;

namespace {

constexpr time_point start{1h};

simulated::job_course ran(time_point queued, milliseconds waited,
                          milliseconds took) {
  return {queued, queued + waited, queued + waited + took, job_fate::done};
}

/// Four hours; an instance of two slots for the first two of them.
run_facts facts() {
  run_facts out;
  out.begins = start;
  out.ends = start + 4h;
  out.capacity = 2;
  out.machines.push_back({start, start + 1min, start + 2h});
  return out;
}

} // namespace

TEST_CASE("instance-hours end with the instance, and with what is looked at") {
  auto x = facts();
  CHECK_EQ(figures_of(x, {}, 4).instance_hours, doctest::Approx(2));
  x.machines.push_back({start + 3h, simulated::far, simulated::far});
  auto out = figures_of(x, 0.5, 4);
  CHECK_EQ(out.instance_hours, doctest::Approx(3));
  CHECK_EQ(*out.cost, doctest::Approx(1.5));
  CHECK_EQ(out.instances_made, 2);
  CHECK_EQ(out.instances_removed, 1);
  CHECK_EQ(out.instances_peak, 1);
  CHECK_FALSE(figures_of(x, {}, 4).cost);
}

TEST_CASE("idle is what was paid for and had no job") {
  auto x = facts();
  x.jobs.push_back(ran(start, 0ms, 1h));
  auto out = figures_of(x, {}, 4);
  CHECK_EQ(out.busy_hours, doctest::Approx(1));
  CHECK_EQ(out.idle_share, doctest::Approx(0.75)); // of four slot-hours
  CHECK_EQ(figures_of(run_facts{}, {}, 4).idle_share, 0);
}

TEST_CASE("waiting times are those of jobs that got a slot") {
  auto x = facts();
  for (int i = 1; i <= 100; ++i)
    x.jobs.push_back(ran(start, i * 1s, 1s));
  simulated::job_course none;
  none.queued = start;
  none.ended = start + 15min;
  none.fate = job_fate::timed_out;
  x.jobs.push_back(none);
  auto out = figures_of(x, {}, 4);
  REQUIRE(out.waited);
  CHECK_EQ(out.waited->p50, 50s);
  CHECK_EQ(out.waited->p95, 95s);
  CHECK_EQ(out.waited->p99, 99s);
  CHECK_EQ(out.waited->longest, 100s);
  CHECK_EQ(out.done, 100);
  CHECK_EQ(out.timed_out, 1);
  CHECK_EQ(out.queued_peak, 101);
}

TEST_CASE("parts of the time have means, and of the queue the peak") {
  auto x = facts();
  x.jobs.push_back(ran(start + 30min, 15min, 1h));
  x.jobs.push_back(ran(start + 30min, 15min, 1h));
  auto out = figures_of(x, {}, 4);
  REQUIRE_EQ(out.samples.size(), 4);
  CHECK_EQ(out.samples[0].instances, doctest::Approx(1));
  CHECK_EQ(out.samples[2].instances, doctest::Approx(0));
  CHECK_EQ(out.samples[0].busy, doctest::Approx(0.5));
  CHECK_EQ(out.samples[1].busy, doctest::Approx(1.5));
  CHECK_EQ(out.samples[0].queued, 2);
  CHECK_EQ(out.samples[1].queued, 0);
  CHECK_EQ(out.busy_peak, 2);
}

TEST_CASE("a job that was never taken waits to the end") {
  auto x = facts();
  simulated::job_course one;
  one.queued = start + 1h;
  x.jobs.push_back(one);
  auto out = figures_of(x, {}, 4);
  CHECK_EQ(out.not_begun, 1);
  CHECK_EQ(out.samples[0].queued, 0);
  CHECK_EQ(out.samples[3].queued, 1);
}

TEST_CASE("an instance that follows another at once is no peak") {
  auto x = facts();
  x.machines.push_back({start + 2h, start + 2h, start + 3h});
  CHECK_EQ(figures_of(x, {}, 1).instances_peak, 1);
}
