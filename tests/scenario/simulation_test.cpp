#include "actors/simulated/simulation.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

using namespace muster;
using namespace muster::simulated;
using namespace std::chrono_literals;

namespace {

/// A runner with room for a hundred instances of two slots.
runner_config plain_config() {
  runner_config out;
  out.name = "r";
  out.token = secret{"glrt-abc"};
  out.request_concurrency = 4;
  auto& scaler = out.autoscaler.emplace();
  scaler.max_instances = 100;
  scaler.capacity_per_instance = 2;
  policy_config policy;
  policy.idle_time = 10min;
  scaler.policies.push_back(policy);
  return out;
}

world_options world_of(const runner_config& cfg) {
  world_options out;
  out.runner = std::make_shared<const runner_config>(cfg);
  out.jobs_max = 200;
  out.cloud.boot = {boot_time::shape::constant, 40s, 0s, 0};
  return out;
}

/// A job every `apart`, of 3 to 13 minutes.
std::vector<planned_job> steady(int count, milliseconds apart) {
  std::vector<planned_job> out;
  for (int i = 0; i < count; ++i)
    out.push_back({apart * i, 180s + 1s * (i * 7919 % 600)});
  return out;
}

milliseconds waited(const job_course& x) {
  return std::chrono::duration_cast<milliseconds>(x.began - x.queued);
}

} // namespace

TEST_CASE("a simulated job waits for its instance, runs, and is over") {
  auto with = world_of(plain_config());
  with.jobs = {{10s, 60s}};
  simulation it{with};
  it.run_to_end();
  const auto& job = it.all().courses.at(0);
  CHECK_EQ(job.fate, job_fate::done);
  CHECK_GE(waited(job), 40s);
  CHECK_LE(waited(job), 60s);
  CHECK_EQ(job.ended - job.began, 60s);
  CHECK_EQ(it.all().machines.lives().size(), 1);
}

TEST_CASE("simulated jobs respect the permits and share instances") {
  auto with = world_of(plain_config());
  with.jobs_max = 3;
  with.jobs = std::vector<planned_job>(9, planned_job{0s, 600s});
  simulation it{with};
  it.run_to_end();
  std::vector<time_point> begun;
  for (const auto& x : it.all().courses) {
    REQUIRE_EQ(x.fate, job_fate::done);
    auto beside = std::ranges::count_if(it.all().courses, [&x](const auto& y) {
      return y.began <= x.began && x.began < y.ended;
    });
    CHECK_LE(beside, 3);
  }
  CHECK_EQ(it.all().machines.lives().size(), 2);
}

TEST_CASE("the same seed makes the same course of events") {
  auto with = world_of(plain_config());
  with.cloud.boot = {boot_time::shape::lognormal, 40s, 0s, 0.5};
  with.jobs = steady(50, 30s);
  auto course_of = [&with](uint64_t seed) {
    with.seed = seed;
    simulation it{with};
    it.run_to_end();
    return it.all().machines.lives();
  };
  auto one = course_of(1);
  CHECK(one == course_of(1));
  CHECK(one != course_of(2));
}

TEST_CASE("a job that gets no slot is told so, and the simulation ends") {
  auto cfg = plain_config();
  cfg.autoscaler->instance_acquire_timeout = 5min;
  auto with = world_of(cfg);
  with.cloud.faults.refused = 1;
  with.jobs = {{0s, 60s}};
  simulation it{with};
  it.run_to_end();
  CHECK_EQ(it.all().courses.at(0).fate, job_fate::timed_out);
}

TEST_CASE("a job in a group that may never grow does not run for ever") {
  auto cfg = plain_config();
  cfg.autoscaler->policies[0].preemptive_mode = true;
  cfg.autoscaler->policies[0].idle_count = 1;
  auto with = world_of(cfg);
  with.cloud.faults.refused = 1;
  with.jobs = {{0s, 60s}};
  simulation it{with};
  it.run_to_end();
  CHECK_EQ(it.all().courses.at(0).fate, job_fate::queued);
}

TEST_CASE("a simulated job costs at most 40 messages") {
  auto cfg = plain_config();
  cfg.autoscaler->policies[0].idle_count = 5;
  auto with = world_of(cfg);
  constexpr int day = 5'000;
  with.jobs = steady(day, 17'280ms);
  simulation it{with};
  auto messages = it.run_to_end();
  REQUIRE_EQ(it.all().jobs_over, day);
  CHECK_LE(messages, 40 * day);
  auto share = static_cast<double>(messages) / day;
  MESSAGE(share);
}

TEST_CASE("an instance whose actor failed keeps its use count") {
  auto cfg = plain_config();
  cfg.autoscaler->max_use_count = 1;
  cfg.autoscaler->capacity_per_instance = 1;
  auto with = world_of(cfg);
  with.jobs = {{0s, 120s}, {150s, 60s}};
  simulation it{with};
  it.clock().run_for(100s);
  REQUIRE_EQ(it.all().courses.at(0).fate, job_fate::running);
  caf::anon_send_exit(it.group()->actors.begin()->second,
                      caf::exit_reason::kill);
  it.run_to_end();
  CHECK_EQ(it.all().courses.at(0).fate, job_fate::done);
  CHECK_EQ(it.all().courses.at(1).fate, job_fate::done);
  CHECK_EQ(it.all().machines.lives().size(), 2);
}

TEST_CASE("an instance that a listing told to be going, and that stays, is "
          "removed and replaced") {
  auto cfg = plain_config();
  cfg.autoscaler->policies[0].idle_count = 1;
  cfg.autoscaler->max_instances = 1;
  auto with = world_of(cfg);
  simulation it{with};
  it.clock().run_for(2min);
  REQUIRE_EQ(it.group()->instances.counts().idle, 2);
  auto id = it.group()->actors.begin()->first;
  caf::anon_send(
    it.runner().group,
    listing{it.group()->listings, {{id, cloud_state::deleting}}, {}});
  it.clock().run_for(10min);
  CHECK_EQ(it.group()->instances.counts().idle, 2);
  REQUIRE_EQ(it.all().machines.lives().size(), 2);
  CHECK_NE(it.all().machines.lives()[0].gone, far);
}

namespace {

/// Writes down whose slot was given and cleaned, in order.
class order : public witness {
public:
  std::string events;

  void slot_given(size_t, const acquisition_key& key, const instance_id&,
                  int32_t) override {
    events += "given " + key.value + "; ";
  }

  void slot_cleaned(const acquisition_key& key, bool) override {
    events += "cleaned " + key.value + "; ";
  }
};

} // namespace

TEST_CASE("what an instance was used for is in the journal") {
  auto with = world_of(plain_config());
  with.jobs = {{0s, 60s}, {1s, 60s}};
  simulation it{with};
  it.run_to_end();
  REQUIRE_EQ(it.all().instances.size(), 1);
  CHECK_EQ(it.all().instances.begin()->second.use_count, 2);
}

TEST_CASE(
  "a job that ends while its instance's actor is made anew has its slot "
  "cleaned before the next one gets it") {
  auto cfg = plain_config();
  cfg.autoscaler->max_instances = 1;
  cfg.autoscaler->capacity_per_instance = 1;
  auto with = world_of(cfg);
  with.jobs = {{0s, 60s}, {1s, 60s}};
  simulation it{with};
  auto seen = std::make_shared<order>();
  it.all().sees = seen;
  while (it.all().courses.at(0).fate != job_fate::running)
    it.clock().run_for(100ms);
  auto end = it.all().courses.at(0).began + 60s;
  it.clock().run_until(end - 10ms);
  caf::anon_send_exit(it.group()->actors.begin()->second,
                      caf::exit_reason::kill);
  it.run_to_end();
  // The second one was refused a reservation once.
  CHECK_EQ(seen->events, "given job-1; cleaned job-1; given job-3; "
                         "cleaned job-3; ");
}
