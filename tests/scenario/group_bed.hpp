#pragma once

#include "actors/group/group.hpp"
#include "tests/support/virtual_system.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace muster::test {

using namespace std::chrono_literals;

/// A group with a cloud that does as it is scripted, a dialer and a journal, in
/// virtual time. What must always hold is checked at each step: no instance
/// with a job on it, or something left of one, is deleted, and there are never
/// more than `max_instances`.
class group_bed {
public:
  using milliseconds = std::chrono::milliseconds;

  struct machine {
    int64_t shown_from = 0; ///< a listing has it [ms]
    int64_t runs_from = 0;  ///< it is `running` then [ms]
    cloud_state as = cloud_state::running;
    bool answers = true;     ///< to the provider's heartbeat
    bool can_connect = true; ///< dials work
    bool hidden = false;     ///< listings leave it out
    bool never_goes = false; ///< deletions are accepted, and that is all
  };

  // -- the script --
  milliseconds boot{1000};
  milliseconds appears{0}; ///< from the answer to the first listing with it
  std::function<int(int)> accepts = [](int asked) { return asked; };
  bool delivers = true;  ///< what was accepted
  std::string same_id;   ///< that all machines have; empty: each its own
  bool answers = true;   ///< the provider answers at all
  caf::error list_fails; ///< every listing
  caf::error increase_fails;
  caf::error decrease_fails;
  caf::error info_fails; ///< connect info of every machine
  connect_info info;
  bool dials_work = true; ///< of machines that are made from now on
  bool cleans = true;     ///< slots are proven clean
  /// What was accepted appears so late that it was given up before.
  bool forgets_requests = false;
  int64_t clock_step_us = 0; ///< the wall clock is so far off
  int64_t wall_start_us = 1'790'000'000'000'000;

  // -- what is seen --
  std::map<std::string, machine> machines;
  std::vector<std::string> told; ///< provider calls and slots, with their time
  int increased_by = 0;
  int calls = 0; ///< to the provider
  std::vector<std::string> deleted;

  virtual_system world;
  runner_config cfg;
  probe<group_parent_actor> runner = world.spawn_probe<group_parent_actor>();
  group_actor it;

  group_bed() {
    start_ = world.scheduler().clock().current_time;
    cfg.name = "r";
    cfg.token = secret{"glrt-abc"};
    cfg.autoscaler.emplace();
    cfg.autoscaler->max_instances = 5;
    policy_config policy;
    policy.idle_time = 60s;
    cfg.autoscaler->policies.push_back(policy);
  }

  autoscaler_config& scaler() {
    return *cfg.autoscaler;
  }

  policy_config& policy() {
    return cfg.autoscaler->policies.front();
  }

  int64_t now_ms() {
    return std::chrono::duration_cast<milliseconds>(
             world.scheduler().clock().current_time - start_)
      .count();
  }

  void start() {
    group_setup setup;
    setup.role = "group";
    setup.runner = std::make_shared<const runner_config>(cfg);
    setup.make_provider = maker();
    setup.parent = runner.handle;
    setup.dialer = dialer_.handle;
    setup.journal = journal_.handle;
    setup.orders = orders_;
    auto shared = std::make_shared<edges>();
    shared->unix_us
      = [this] { return wall_start_us + now_ms() * 1000 + clock_step_us; };
    setup.edge = shared;
    it = world.take(spawn_group(world.sys, setup));
    for (const auto& x : claims_)
      world.send(it, x);
    claims_.clear();
    settle();
  }

  /// The group fails, and another takes its place: with the jobs that go on, or
  /// as after a manager that died with all of them.
  void restart(bool with_jobs = true) {
    world.stop(it);
    for (auto& [key, job] : jobs_)
      if (job.claims = with_jobs && !job.machine.empty(); job.claims)
        claims_.push_back(
          {acquisition_key{key},
           instance_id{job.machine},
           job.slot,
           {"job", caf::actor_cast<caf::actor>(job.log.handle)}});
    if (!with_jobs)
      jobs_.clear();
    world.run_for(1s);
    start();
    for (auto& [key, job] : jobs_)
      if (job.machine.empty())
        ask_for_slot(key, 15min, true);
    settle();
  }

  /// The configuration is as `cfg` has it now.
  void reload() {
    orders_->give(std::make_shared<const group_orders>(
      group_orders{std::make_shared<const runner_config>(cfg), maker()}));
    world.send(it, reconfigure_group{});
    settle();
  }

  /// Stops at every timer, so that the peers answer at once.
  void run_for(milliseconds time) {
    settle();
    auto& clock = world.scheduler().clock();
    auto end = clock.current_time + time;
    while (clock.has_pending_timeout()
           && clock.schedule().begin()->first <= end) {
      clock.trigger_timeout();
      settle();
    }
    clock.current_time = std::max(clock.current_time, end);
    settle();
  }

  /// A runner polls: it takes a job if it is promised a slot.
  bool job(const std::string& key, milliseconds timeout = 15min) {
    world.send(it, reserve{acquisition_key{key}});
    if (runner.last<reserved>().why)
      return false;
    jobs_[key].log = world.spawn_probe<acquirer_actor>();
    ask_for_slot(key, timeout, false);
    settle();
    return true;
  }

  /// A job comes just when a machine is found gone: the group gives it a slot
  /// there, not knowing yet.
  void job_when_gone(const std::string& key, const std::string& id) {
    world.send(it, reserve{acquisition_key{key}});
    auto& row = jobs_[key];
    row.log = world.spawn_probe<acquirer_actor>();
    world.run();
    vanish(id);
    caf::anon_send(caf::actor_cast<caf::actor>(dialed_by_.at(id)),
                   provider_state{cloud_state::deleted});
    caf::anon_send(it,
                   acquire{acquisition_key{key},
                           900'000,
                           {"job", caf::actor_cast<caf::actor>(row.log.handle)},
                           false});
    CHECK(world.scheduler().prioritize(it));
    world.scheduler().run_once();
    settle();
  }

  int jobs(const std::string& prefix, int count) {
    auto taken = 0;
    for (auto i = 0; i < count; ++i)
      taken += job(prefix + std::to_string(i));
    return taken;
  }

  /// `i-1/0`; empty: it has none.
  std::string place_of(const std::string& key) {
    auto& x = jobs_.at(key);
    return x.machine.empty() ? "" : fmt::format("{}/{}", x.machine, x.slot);
  }

  std::string machine_of(const std::string& key) {
    return jobs_.at(key).machine;
  }

  /// Whether the job is there: it waits, or has a slot.
  bool has(const std::string& key) const {
    return jobs_.contains(key);
  }

  int running() const {
    return static_cast<int>(
      std::count_if(jobs_.begin(), jobs_.end(),
                    [](const auto& x) { return !x.second.machine.empty(); }));
  }

  acquired answer_to(const std::string& key) {
    return jobs_.at(key).log.last<acquired>();
  }

  std::string waits_for(const std::string& key) {
    return jobs_.at(key).log.last<acquire_waits>().text;
  }

  /// The job is over and gives its slot back.
  void end(const std::string& key) {
    auto x = jobs_.at(key);
    jobs_.erase(key);
    if (x.claims) { // and has no slot again yet
      world.send(
        it, claim{acquisition_key{key}, instance_id{x.machine}, x.slot, {}});
      settle();
      return;
    }
    if (x.machine.empty()) {
      world.send(it, unreserve{acquisition_key{key}});
      settle();
      return;
    }
    uncleaned_.insert(x.machine + "|" + key);
    world.send(as<slot_actor>(x.slot_peer), vacate_slot{acquisition_key{key}});
    settle();
  }

  /// What the death of a job's slot says to it.
  std::string why_lost(const std::string& key) {
    auto found = lost_.find(key);
    return found == lost_.end() ? "" : found->second;
  }

  /// A machine is gone without having been asked to.
  void vanish(const std::string& id) {
    machines.erase(id);
  }

  /// The connection breaks, and dials fail from now on.
  void cut_off(const std::string& id, int failures = 1, bool given_up = false) {
    machines.at(id).can_connect = false;
    connection_health x{instance_id{id}, false, failures, given_up,
                        error_of(connection_errc::lost, "no route")};
    world.send(dialed_by_.at(id), x);
    settle();
  }

  /// The actor fails, not the machine.
  void instance_fails(const std::string& id) {
    world.stop(dialed_by_.at(id));
    settle();
  }

  void add_machine(const std::string& id) {
    machines[id] = {now_ms(), now_ms()};
  }

  int alive() const {
    return static_cast<int>(machines.size());
  }

  /// Machines that a listing would have, sooner or later.
  int shown() const {
    return static_cast<int>(std::ranges::count_if(
      machines, [](const auto& x) { return !x.second.hidden; }));
  }

  const known_instance* written(const std::string& id) const {
    auto row = journal_rows_.find(id);
    return row == journal_rows_.end() ? nullptr : &row->second;
  }

  size_t listings() const {
    return listings_;
  }

  /// Only calls that change something, without their times.
  std::vector<std::string> changes() const {
    std::vector<std::string> out;
    for (const auto& x : told)
      if (x.find("List") == std::string::npos)
        out.push_back(x.substr(x.find(' ') + 1));
    return out;
  }

  /// Handles what the peers were told, until nothing is left.
  void settle() {
    for (auto busy = true; busy;) {
      world.run();
      busy = serve_provider() || serve_dialer() || serve_journal();
      look_at_jobs();
    }
  }

  /// The provider's process ends.
  void provider_dies() {
    world.stop(providers_.back().handle);
    settle();
  }

  size_t providers() const {
    return providers_.size();
  }

  std::string group_id = "cloud-group";

private:
  struct job_row {
    probe<acquirer_actor> log;
    std::string machine;
    int slot = 0;
    peer slot_peer;
    bool claims = false; ///< a slot that it had
    size_t read = 0;     ///< of its answers
    size_t seen = 0;     ///< of its messages
  };

  start_provider_actor maker() {
    return [this](caf::local_actor*, const provider_parent_actor&) {
      providers_.push_back(world.spawn_probe_now<provider_actor>());
      read_ = 0;
      return providers_.back().handle;
    };
  }

  void ask_for_slot(const std::string& key, milliseconds timeout,
                    bool renewed) {
    peer job{"job", caf::actor_cast<caf::actor>(jobs_.at(key).log.handle)};
    world.send(it,
               acquire{acquisition_key{key}, timeout.count(), job, renewed});
  }

  void note(const std::string& what) {
    told.push_back(
      fmt::format("{:.1f} {}", static_cast<double>(now_ms()) / 1000, what));
  }

  template <class Message>
  static const Message* get(const caf::message& x) {
    return x.match_elements<Message>() ? &x.get_as<Message>(0) : nullptr;
  }

  bool serve_provider() {
    if (providers_.empty())
      return false;
    auto& messages = providers_.back().log->messages;
    if (read_ >= messages.size() || !answers)
      return false;
    auto what = messages[read_++];
    if (get<start_provider>(what)) {
      provider_ready ready;
      ready.group = group_id;
      ready.max_size = 1000;
      world.send(it, ready);
      return true;
    }
    ++calls;
    if (const auto* x = get<list_instances>(what))
      list(*x);
    else if (const auto* x = get<increase>(what))
      grow(*x);
    else if (const auto* x = get<decrease>(what))
      shrink(*x);
    else if (const auto* x = get<get_connect_info>(what))
      world.send(as<provider_asker_actor>(x->asker),
                 connect_info_found{x->instance, info, info_fails});
    else if (const auto* x = get<heartbeat>(what))
      beat(*x);
    return true;
  }

  void list(const list_instances& x) {
    ++listings_;
    listing out;
    out.number = x.number;
    out.why = list_fails;
    note("List");
    for (const auto& [id, m] : machines)
      if (!out.why && !m.hidden && m.shown_from <= now_ms())
        out.instances.push_back({instance_id{id}, m.runs_from <= now_ms()
                                                    ? m.as
                                                    : cloud_state::creating});
    world.send(it, out);
  }

  void grow(const increase& x) {
    note(fmt::format("Increase {}", x.count));
    if (increase_fails) {
      world.send(it, increased{x.count, 0, increase_fails});
      return;
    }
    auto n = accepts(x.count);
    increased_by += n;
    for (auto i = 0; i < n && delivers; ++i) {
      auto from = now_ms() + appears.count();
      auto& made
        = machines[same_id.empty() ? fmt::format("i-{}", ++made_) : same_id];
      made.shown_from = from;
      made.runs_from = from + boot.count();
      made.can_connect = dials_work;
    }
    if (scaler().max_instances > 0 && n > 0 && !forgets_requests)
      CHECK_LE(shown(), scaler().max_instances);
    world.send(it, increased{x.count, n, {}});
  }

  void shrink(const decrease& x) {
    std::string ids;
    for (const auto& one : x.instances) {
      ids += " " + one.value;
      for (const auto& [key, job] : jobs_)
        CHECK_MESSAGE(job.machine != one.value, "deleted under the job ", key);
      for (const auto& left : uncleaned_)
        CHECK_FALSE_MESSAGE(left.starts_with(one.value + "|"), left);
    }
    note("Decrease" + ids);
    if (decrease_fails) {
      world.send(it, decreased{x.instances, {}, decrease_fails});
      return;
    }
    for (const auto& one : x.instances) {
      auto at = machines.find(one.value);
      if (at == machines.end() || at->second.never_goes)
        continue;
      deleted.push_back(one.value);
      machines.erase(at);
    }
    world.send(it, decreased{x.instances, x.instances, {}});
  }

  void beat(const heartbeat& x) {
    heartbeat_answered out{x.instance, {}};
    auto at = machines.find(x.instance.value);
    if (at == machines.end() || !at->second.answers)
      out.why = error_of(provider_errc::call_failed, "it is not there");
    note("Heartbeat " + x.instance.value);
    world.send(as<provider_asker_actor>(x.asker), out);
  }

  bool serve_dialer() {
    auto& messages = dialer_.log->messages;
    if (dials_read_ >= messages.size())
      return false;
    auto what = messages[dials_read_++];
    if (const auto* x = get<dial>(what)) {
      const auto& id = x->instance.value;
      dialed out{x->instance, "key", {}};
      auto at = machines.find(id);
      if (at == machines.end() || !at->second.can_connect)
        out.why = error_of(connection_errc::lost, "connection refused");
      auto asker = as<dial_asker_actor>(x->asker);
      dialed_by_[id] = asker;
      world.send(asker, out);
    } else if (const auto* x = get<end_leftovers>(what)) {
      uncleaned_.erase(x->instance.value + "|" + x->key.value);
      note(fmt::format("Clean {} {}", x->instance.value, x->key.value));
      world.send(as<dial_asker_actor>(x->asker),
                 leftovers_ended{x->instance, x->key, cleans, "stuck"});
    }
    return true;
  }

  bool serve_journal() {
    auto& messages = journal_.log->messages;
    if (journal_read_ >= messages.size())
      return false;
    auto what = messages[journal_read_++];
    if (const auto* x = get<read_instances>(what)) {
      known_instances out{x->group, {}, {}};
      for (const auto& row : journal_rows_)
        out.instances.push_back(row.second);
      world.send(as<instances_asker_actor>(x->asker), out);
    } else if (const auto* x = get<read_host_key>(what)) {
      world.send(as<host_key_asker_actor>(x->asker),
                 host_key_found{x->instance, "", {}});
    } else if (const auto* x = get<write_instance>(what)) {
      auto& row = journal_rows_[x->instance.value];
      row.instance = x->instance;
      row.use_count = x->use_count;
      if (x->last_use_ms > 0)
        row.last_use_ms = x->last_use_ms;
      if (x->provisioned_at_ms > 0)
        row.provisioned_at_ms = x->provisioned_at_ms;
      if (!x->leaves.empty())
        row.leaves = x->leaves;
    } else if (const auto* x = get<forget_instance>(what)) {
      journal_rows_.erase(x->instance.value);
    } else if (const auto* x = get<write_leftover>(what)) {
      auto& row = journal_rows_[x->instance.value];
      row.instance = x->instance;
      row.leftovers.push_back(x->key);
    } else if (const auto* x = get<forget_leftover>(what)) {
      if (auto row = journal_rows_.find(x->instance.value);
          row != journal_rows_.end())
        std::erase(row->second.leftovers, x->key);
    }
    return true;
  }

  /// Takes over the slots that jobs were given, and those that they lost.
  void look_at_jobs() {
    std::vector<std::string> over;
    for (auto& [key, job] : jobs_) {
      if (std::exchange(job.seen, job.log.log->messages.size())
          == job.log.log->messages.size())
        continue;
      auto found = job.log.all<acquired>();
      for (; job.read < found.size(); ++job.read) {
        const auto& x = found[job.read];
        if (x.why) {
          lost_[key] = text_of(x.why);
          over.push_back(key);
          continue;
        }
        job.claims = false;
        if (job.machine != x.instance.value)
          note(fmt::format("Slot {} {}/{}", key, x.instance.value, x.slot));
        job.machine = x.instance.value;
        job.slot = x.slot;
        job.slot_peer = x.slot_peer;
        watch(key, x.slot_peer);
      }
    }
    for (const auto& key : over)
      jobs_.erase(key);
  }

  void watch(const std::string& key, const peer& slot) {
    auto watcher = world.sys.spawn(
      [this, key, slot](caf::event_based_actor* self) -> caf::behavior {
        self->set_down_handler([this, key](const caf::down_msg& x) {
          if (is(x.reason, instance_errc::removed_externally)
              || is(x.reason, instance_errc::retired)) {
            lost_[key] = text_of(x.reason);
            jobs_.erase(key);
          } else if (auto row = jobs_.find(key); row != jobs_.end()) {
            // The machine is there: it goes on there with whoever keeps it now.
            auto& job = row->second;
            caf::anon_send(
              it, claim{acquisition_key{key},
                        instance_id{job.machine},
                        job.slot,
                        {"job", caf::actor_cast<caf::actor>(job.log.handle)}});
          }
        });
        self->monitor(slot.handle);
        return {[](int) {}};
      });
    world.keep(watcher);
  }

  time_point start_;
  probe<dialer_actor> dialer_ = world.spawn_probe<dialer_actor>();
  probe<journal_actor> journal_ = world.spawn_probe<journal_actor>();
  std::vector<probe<provider_actor>> providers_;
  std::shared_ptr<newest<group_orders>> orders_
    = std::make_shared<newest<group_orders>>();
  size_t read_ = 0;
  size_t dials_read_ = 0;
  size_t journal_read_ = 0;
  size_t listings_ = 0;
  int made_ = 0;
  std::map<std::string, job_row> jobs_;
  std::map<std::string, known_instance> journal_rows_;
  std::map<std::string, dial_asker_actor> dialed_by_;
  std::map<std::string, std::string> lost_;
  std::set<std::string> uncleaned_; ///< `instance|key`
  std::vector<claim> claims_;
};

} // namespace muster::test
