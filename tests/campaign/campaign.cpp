#include "tests/campaign/campaign.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace muster::test {

using namespace muster::simulated;
using namespace std::chrono_literals;

namespace {

constexpr auto faults_for = 1h;
/// Longer than the longest pause of a group and the latest machine.
constexpr auto calm_for = 30min;
/// Of jobs that wait for those before them.
constexpr auto patience = 48h;

/// What the director does to a run, besides what the cloud and the hosts do.
enum fault_kind {
  group_dies,
  instance_dies,
  slot_dies,
  provider_dies,
  job_dies,
  machine_goes,
  connection_breaks,
  clock_moves,
  config_changes,
  fault_kinds,
};

} // namespace

campaign::campaign(uint64_t seed)
  : luck_(seed),
    config_(std::make_shared<runner_config>(draw_config())) {
  for (auto kind = 0; kind < fault_kinds; ++kind)
    if (is(0.4))
      fault_kinds_.push_back(kind);
  auto with = draw_world();
  with.seed = luck_();
  it_ = std::make_unique<simulation>(with);
  books_ = std::make_shared<ledger>(*it_, promises(),
                                    [this](const auto& what) { tell(what); });
  it_->all().sees = books_;
}

// -- what is drawn ------------------------------------------------------------

bool campaign::is(double share) {
  return std::uniform_real_distribution<>{0, 1}(luck_) < share;
}

int campaign::from(int least, int most) {
  return std::uniform_int_distribution<>{least, most}(luck_);
}

template <class T>
T campaign::one_of(std::initializer_list<T> all) {
  return *std::next(all.begin(), from(0, static_cast<int>(all.size()) - 1));
}

runner_config campaign::draw_config() {
  runner_config out;
  out.name = "simulated";
  out.token = secret{"glrt-abc"};
  out.request_concurrency = from(1, 4);
  auto& scaler = out.autoscaler.emplace();
  scaler.capacity_per_instance = from(1, 3);
  scaler.max_instances = one_of({1, 2, 3, 6, 10});
  scaler.max_use_count = is(0.5) ? 0 : from(1, 5);
  scaler.failure_threshold = from(1, 4);
  scaler.instance_acquire_timeout = is(0.5) ? 15min : patience;
  scaler.scale_limit = one_of({100, 1});
  scaler.scale_burst = one_of({100, 2});
  scaler.reservation_throttling = is(0.7);
  scaler.update_interval = one_of({10s, 60s, 300s});
  scaler.deletion_retry_interval = one_of({60s, 10s});
  if (is(0.5))
    scaler.instance_ready_command = "true";
  policy_config policy;
  policy.idle_count = is(0.5) ? 0 : from(1, 4);
  policy.idle_time = one_of({0s, 30s, 300s, 1200s});
  if (is(0.3))
    policy.preemptive_mode = is(0.5);
  scaler.policies.push_back(policy);
  if (is(0.3)) { // for the hour in which most faults are: clocks may be wrong
    policy.idle_count = from(0, 4);
    policy.idle_time = one_of({0s, 30s, 300s});
    policy.periods = {"* 14 * * *"};
    policy.timezone = "UTC";
    scaler.policies.push_back(policy);
  }
  return out;
}

world_options campaign::draw_world() {
  world_options out;
  out.runner = config_;
  out.jobs_max = from(1, 20);
  out.begins_us = int64_t{1'790'000'000} * 1'000'000;
  out.cloud.boot = {boot_time::shape::lognormal, 1s * from(1, 90), 0s, 0.4};
  out.cloud.removal = 1s * from(0, 60);
  auto share = [this] { return is(0.25) ? one_of({0.02, 0.1, 0.3}) : 0.0; };
  auto& cloud = out.cloud.faults;
  for (auto* x :
       {&cloud.refused, &cloud.fewer, &cloud.undelivered, &cloud.overdue,
        &cloud.stuck, &cloud.left_out, &cloud.repeated, &cloud.goes_back,
        &cloud.unexpected, &cloud.failing})
    *x = share();
  for (auto* x :
       {&out.faults.failed, &out.faults.late, &out.faults.doubled,
        &out.faults.unclean, &out.faults.undialed, &out.faults.unready})
    *x = share();
  auto jobs = from(1, 40);
  for (auto i = 0; i < jobs; ++i)
    out.jobs.push_back({1s * from(0, 3600), 1s * from(1, 900)});
  // And some after all faults, which are to pass.
  for (auto i = 0; i < 4; ++i)
    out.jobs.push_back({faults_for + calm_for + 1s * from(0, 600), 60s});
  std::ranges::sort(out.jobs, {}, &planned_job::queued);
  return out;
}

promises_kept campaign::promises() const {
  const auto& scaler = *config_->autoscaler;
  const auto& cloud = it_->all().options.cloud.faults;
  const auto& answers = it_->all().options.faults;
  auto happens = [this](int kind) {
    return std::ranges::find(fault_kinds_, kind) != fault_kinds_.end();
  };
  promises_kept out;
  out.capacity = scaler.capacity_per_instance;
  out.max_use_count = scaler.max_use_count;
  out.max_instances = scaler.max_instances;
  out.cloud_is_open = cloud.left_out == 0 && cloud.overdue == 0
                      && cloud.unexpected == 0 && answers.late == 0
                      && answers.failed == 0;
  out.tells_of_making = cloud.goes_back == 0 && cloud.repeated == 0;
  out.machines_stay = cloud.left_out == 0 && cloud.repeated == 0
                      && answers.failed == 0 && answers.undialed == 0
                      && answers.unready == 0 && answers.late == 0
                      && !happens(machine_goes) && !happens(connection_breaks);
  return out;
}

// -- the course ---------------------------------------------------------------

void campaign::tell(const std::string& what) {
  auto seconds
    = std::chrono::duration<double>(it_->clock().now() - it_->all().begins)
        .count();
  story_.push_back(fmt::format("{:9.3f} {}", seconds, what));
}

/// Actors get their turn in any order, and each its messages in theirs.
void campaign::run_until(time_point end) {
  auto& clock = it_->clock();
  auto& jobs = clock.scheduler().jobs;
  do
    while (!jobs.empty()) {
      auto next
        = std::next(jobs.begin(), from(0, static_cast<int>(jobs.size()) - 1));
      std::iter_swap(jobs.begin(), next);
      clock.scheduler().run_once();
      books_->look();
      if (fault_in_ > 0 && --fault_in_ == 0)
        fault();
    }
  while (clock.advance(end));
}

void campaign::tell_config() {
  const auto& scaler = *config_->autoscaler;
  const auto& policy = scaler.policies.front();
  tell(fmt::format(
    "capacity_per_instance {}, max_instances {}, max_use_count {}, idle_count "
    "{}, idle_time {} s, preemptive_mode {}",
    scaler.capacity_per_instance, scaler.max_instances, scaler.max_use_count,
    policy.idle_count, policy.idle_time / 1s,
    policy.preemptive_mode.value_or(policy.idle_count > 0)));
}

int campaign::run() {
  tell_config();
  auto end = it_->clock().now() + faults_for;
  while (it_->clock().now() < end) {
    auto pause = 1ms * from(1, 180'000);
    run_until(std::min(it_->clock().now() + pause, end));
    if (it_->clock().now() >= end || fault_kinds_.empty())
      continue;
    if (is(0.5))
      fault();
    else
      fault_in_ = from(1, 40);
  }
  stop_faults();
  check_end();
  return books_->broken();
}

void campaign::stop_faults() {
  tell("the faults end");
  fault_in_ = 0;
  it_->all().machines.set_faults({});
  it_->all().options.faults = {};
  it_->all().clock_step = 0ms;
}

void campaign::check_end() {
  auto& clock = it_->clock();
  auto total = it_->all().courses.size();
  auto give_up = clock.now() + patience;
  while (it_->all().jobs_over < total && clock.now() < give_up)
    run_until(clock.now() + 1min);
  tell("the jobs are over");
  for (size_t i = 0; i < total; ++i) {
    const auto& x = it_->all().courses[i];
    if (x.fate == job_fate::queued || x.fate == job_fate::waiting
        || x.fate == job_fate::running)
      books_->breaks(fmt::format("job {} does not end: it is in state {}", i,
                                 static_cast<int>(x.fate)));
    else if (it_->all().options.jobs[i].queued >= faults_for + calm_for
             && x.fate != job_fate::done
             && config_->autoscaler->instance_acquire_timeout == patience)
      books_->breaks(
        fmt::format("job {} comes after the faults and ends in state {}", i,
                    static_cast<int>(x.fate)));
  }
  run_until(clock.now() + 1h);
  if (const auto* group = it_->group())
    tell(caf::deep_to_string(*group));
  auto there = it_->all().machines.present(clock.now());
  auto left = static_cast<int>(there.size());
  if (left < wanted_least() || left > wanted_most())
    books_->breaks(fmt::format("{} machines are left, {} to {} are wanted",
                               left, wanted_least(), wanted_most()));
  auto ever = it_->all().machines.lives().size();
  run_until(clock.now() + 2h);
  if (it_->all().machines.present(clock.now()) != there
      || it_->all().machines.lives().size() != ever)
    books_->breaks("with nothing to do, machines come and go");
}

/// Machines without a job, if all are new.
int campaign::wanted_least() const {
  const auto& scaler = *config_->autoscaler;
  auto each = scaler.capacity_per_instance;
  if (scaler.max_use_count > 0)
    each = std::min(each, scaler.max_use_count);
  auto slots = scaler.policies.front().idle_count;
  return std::min((slots + each - 1) / each, scaler.max_instances);
}

/// And if each has one use left.
int campaign::wanted_most() const {
  const auto& scaler = *config_->autoscaler;
  if (scaler.max_use_count == 0)
    return wanted_least();
  return std::min(scaler.policies.front().idle_count, scaler.max_instances);
}

// -- what is done to them -----------------------------------------------------

void campaign::fault() {
  auto which = fault_kinds_[static_cast<size_t>(
    from(0, static_cast<int>(fault_kinds_.size()) - 1))];
  switch (which) {
    case group_dies:
      if (it_->runner().group)
        kill(it_->runner().group, "the group");
      break;
    case instance_dies:
      kill_instance();
      break;
    case slot_dies:
      kill_slot();
      break;
    case provider_dies:
      if (it_->group() != nullptr && it_->group()->provider)
        kill(it_->group()->provider, "the provider");
      break;
    case job_dies:
      kill_job();
      break;
    case machine_goes:
      lose_machine();
      break;
    case connection_breaks:
      cut_connection();
      break;
    case clock_moves:
      move_clock();
      break;
    case config_changes:
      change_config();
      break;
    default:
      break;
  }
}

template <class Handle>
void campaign::kill(const Handle& who, const std::string& what) {
  tell(what + " fails");
  caf::anon_send_exit(who, caf::exit_reason::kill);
}

void campaign::kill_instance() {
  const auto* group = it_->group();
  if (group == nullptr || group->actors.empty())
    return;
  auto at = std::next(group->actors.begin(),
                      from(0, static_cast<int>(group->actors.size()) - 1));
  kill(at->second, "the actor of " + at->first.value);
}

void campaign::kill_slot() {
  const auto& jobs = it_->runner().jobs;
  if (jobs.empty())
    return;
  auto at = std::next(jobs.begin(), from(0, static_cast<int>(jobs.size()) - 1));
  if (auto slot = it_->slot_of(at->second.actor); slot.handle)
    kill(slot.handle, "the slot of " + at->first.value);
}

void campaign::kill_job() {
  const auto& jobs = it_->runner().jobs;
  if (jobs.empty())
    return;
  auto at = std::next(jobs.begin(), from(0, static_cast<int>(jobs.size()) - 1));
  auto key = at->first;
  caf::actor who = caf::actor_cast<caf::actor>(at->second.actor);
  kill(who, key.value);
  // Its slot may be cleaned before the runner hears of it.
  while (it_->clock().scheduler().prioritize(who))
    it_->clock().scheduler().run_once();
  books_->slot_left(key);
}

void campaign::lose_machine() {
  auto all = it_->all().machines.present(it_->clock().now());
  if (all.empty())
    return;
  const auto& id
    = all[static_cast<size_t>(from(0, static_cast<int>(all.size()) - 1))];
  tell(id + " is lost");
  it_->all().machines.lose(id, it_->clock().now());
  books_->machine_lost(id);
  const auto* group = it_->group();
  if (group == nullptr || is(0.5))
    return;
  if (auto at = group->actors.find(instance_id{id}); at != group->actors.end())
    caf::anon_send(at->second, provider_state{cloud_state::deleted});
}

void campaign::cut_connection() {
  const auto& dialed = it_->all().dialed;
  if (dialed.empty())
    return;
  auto at
    = std::next(dialed.begin(), from(0, static_cast<int>(dialed.size()) - 1));
  auto failures = from(1, config_->autoscaler->failure_threshold);
  auto given_up = failures == config_->autoscaler->failure_threshold;
  tell(fmt::format("the connection of {} breaks{}", at->first.value,
                   given_up ? " for ever" : ""));
  auto who = as<dial_asker_actor>(at->second);
  auto why = error_of(connection_errc::lost, "it broke");
  caf::anon_send(who,
                 connection_health{at->first, false, failures, given_up, why});
  if (!given_up)
    caf::anon_send(who, connection_health{at->first, true, 0, false, {}});
}

void campaign::move_clock() {
  it_->all().clock_step = 1min * from(-3000, 3000);
  tell("the wall clock is set");
}

/// What the promises are about stays as it is.
void campaign::change_config() {
  auto next = std::make_shared<runner_config>(draw_config());
  auto& scaler = *next->autoscaler;
  scaler.capacity_per_instance = config_->autoscaler->capacity_per_instance;
  scaler.max_use_count = config_->autoscaler->max_use_count;
  scaler.max_instances = config_->autoscaler->max_instances;
  config_ = next;
  tell_config();
  it_->reconfigure(next);
}

} // namespace muster::test
