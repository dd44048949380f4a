#include "actors/metrics/group_series.hpp"

#include "actors/metrics/core.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace muster {

namespace {

constexpr std::array instance_states{"requested", "pending",    "creating",
                                     "running",   "suspending", "suspended",
                                     "resuming",  "deleting"};
constexpr std::array slot_states{"idle", "pending", "acquired", "reserved",
                                 "unavailable"};
constexpr std::array instance_operations{"create", "delete", "suspend",
                                         "resume"};
constexpr std::array group_operations{"provision", "removal", "reconcile"};
constexpr std::array task_operations{"acquire",
                                     "acquire_capacity_failure",
                                     "acquire_timeout",
                                     "reserve",
                                     "reserve_iop_capacity_failure",
                                     "reserve_available_capacity_failure",
                                     "unreserve"};

/// Gone ones are not shown: what a listing calls so is being deleted.
std::string_view shown_as(cloud_state x) {
  const auto* found = std::ranges::find(instance_states, to_string(x));
  return found == instance_states.end() ? "deleting" : *found;
}

double seconds(time_point from, time_point to) {
  return std::chrono::duration<double>{to - from}.count();
}

class group_series final : public group_metrics {
public:
  group_series(std::shared_ptr<metrics_core> core, metric_labels runner,
               const time_buckets& bounds)
    : core_(std::move(core)),
      runner_(std::move(runner)),
      acquires_(core_, told_queue::acquires, runner_) {
    for (const auto* x : instance_states)
      instances_[x].of(
        core_->gauge("fleeting_provisioner_instances", with("state", x)));
    for (const auto* x : slot_states)
      slots_[x].of(core_->gauge("fleeting_taskscaler_tasks", with("state", x)));
    for (size_t i = 0; i < task_operations.size(); ++i)
      tasks_.at(i)
        = &core_->counter("fleeting_taskscaler_task_operations_total",
                          with("operation", task_operations.at(i)));
    core_->counter("fleeting_taskscaler_task_operations_total",
                   with("operation", "release")); // told by the jobs
    for (const auto* x : instance_operations)
      operation(x);
    for (const auto* x : group_operations)
      core_->counter("fleeting_provisioner_internal_operations_total",
                     with("operation", x));
    for (size_t i = 0; i < decisions_.size(); ++i)
      decisions_.at(i) = &core_->counter(
        "muster_scaling_decisions_total",
        with("rule", to_string(static_cast<decision_rule>(i)).c_str()));
    for (const auto* x : {"up", "down"})
      core_->counter("fleeting_taskscaler_scale_operations_total",
                     with("operation", x));
    core_->counter("fleeting_provisioner_missed_updates_total", runner_);
    for (auto [x, own] : {std::pair{&creation_, &bounds.creation},
                          std::pair{&running_, &bounds.is_running},
                          std::pair{&deletion_, &bounds.deletion},
                          std::pair{&life_, &bounds.life_duration},
                          std::pair{&readiness_, &bounds.readiness}})
      x->second = &core_->histogram(x->first, runner_, *own);
  }

  ~group_series() override {
    for (auto& x : instances_)
      x.second.set(0);
    counts({});
  }

  group_series(const group_series&) = delete;
  group_series& operator=(const group_series&) = delete;

  void limits(const group_limits& x) override {
    gauge("fleeting_provisioner_max_instances", x.max_instances);
    gauge("fleeting_taskscaler_max_tasks_per_instance",
          x.capacity_per_instance);
    gauge("fleeting_taskscaler_max_use_count_per_instance", x.max_use_count);
  }

  void seen(const std::string& instance, cloud_state state, time_point now,
            std::optional<time_point> requested) override {
    auto [at, is_new] = rows_.try_emplace(instance);
    auto& row = at->second;
    auto shown = shown_as(state);
    if (is_new) {
      row.discovered = now;
      row.requested = requested;
      operation("create").Increment();
      if (requested)
        creation_.second->Observe(seconds(*requested, now));
    } else {
      instances_[row.shown].add(-1);
      if (state == cloud_state::suspending)
        operation("suspend").Increment();
      else if (state == cloud_state::resuming)
        operation("resume").Increment();
    }
    row.shown = shown;
    instances_[shown].add(1);
    if (state != cloud_state::running || row.running)
      return;
    row.running = now;
    if (row.requested)
      running_.second->Observe(seconds(*row.requested, now));
  }

  void missed() override {
    core_->counter("fleeting_provisioner_missed_updates_total", runner_)
      .Increment();
  }

  void ready(const std::string& instance, time_point now) override {
    auto row = rows_.find(instance);
    if (row == rows_.end() || row->second.was_ready)
      return;
    if (const auto& since = row->second.running) {
      row->second.was_ready = true;
      readiness_.second->Observe(seconds(*since, now));
    }
  }

  void deletion_accepted(const std::string& instance, time_point now) override {
    auto row = rows_.find(instance);
    if (row != rows_.end() && !row->second.deletion)
      row->second.deletion = now;
  }

  void gone(const std::string& instance, time_point now) override {
    auto row = rows_.find(instance);
    if (row == rows_.end())
      return;
    operation("delete").Increment();
    instances_[row->second.shown].add(-1);
    life_.second->Observe(seconds(row->second.discovered, now));
    if (const auto& since = row->second.deletion)
      deletion_.second->Observe(seconds(*since, now));
    rows_.erase(row);
  }

  void did(group_operation x) override {
    core_
      ->counter("fleeting_provisioner_internal_operations_total",
                with("operation", group_operations.at(static_cast<size_t>(x))))
      .Increment();
  }

  void did(task_operation x) override {
    tasks_.at(static_cast<size_t>(x))->Increment();
  }

  void wanted(int change) override {
    gauge("fleeting_taskscaler_desired_instances", change);
  }

  void decided(decision_rule x) override {
    decisions_.at(static_cast<size_t>(x))->Increment();
  }

  void scaled(bool up) override {
    core_
      ->counter("fleeting_taskscaler_scale_operations_total",
                with("operation", up ? "up" : "down"))
      .Increment();
  }

  void counts(const group_counts& x) override {
    instances_["requested"].set(x.requested);
    instances_["pending"].set(x.accepted);
    slots_["idle"].set(x.idle);
    slots_["pending"].set(x.pending);
    slots_["acquired"].set(x.acquired);
    slots_["reserved"].set(x.reserved);
    slots_["unavailable"].set(x.unavailable);
    acquires_.holds(static_cast<size_t>(x.pending));
  }

private:
  using timing = std::pair<const char*, prometheus::Histogram*>;

  struct row {
    time_point discovered;
    std::optional<time_point> requested;
    std::optional<time_point> running;  ///< first seen so
    std::optional<time_point> deletion; ///< accepted by the provider
    bool was_ready = false;
    std::string_view shown;
  };

  metric_labels with(const char* name, const char* value) const {
    auto out = runner_;
    out[name] = value;
    return out;
  }

  prometheus::Counter& operation(const char* name) {
    return core_->counter("fleeting_provisioner_instance_operations_total",
                          with("operation", name));
  }

  void gauge(const char* name, int value) {
    core_->gauge(name, runner_).Set(value);
  }

  const std::shared_ptr<metrics_core> core_;
  const metric_labels runner_;
  queue_share acquires_;
  std::map<std::string, row> rows_;
  std::map<std::string_view, gauge_share> instances_;
  std::map<std::string_view, gauge_share> slots_;
  std::array<prometheus::Counter*, task_operations.size()> tasks_{};
  std::array<prometheus::Counter*, static_cast<size_t>(last_decision_rule) + 1>
    decisions_{};
  timing creation_{"fleeting_provisioner_instance_creation_time_seconds",
                   nullptr};
  timing running_{"fleeting_provisioner_instance_is_running_time_seconds",
                  nullptr};
  timing deletion_{"fleeting_provisioner_instance_deletion_time_seconds",
                   nullptr};
  timing life_{"fleeting_provisioner_instance_life_duration_seconds", nullptr};
  timing readiness_{"fleeting_taskscaler_task_instance_readiness_time_seconds",
                    nullptr};
};

} // namespace

std::shared_ptr<group_metrics>
make_group_series(std::shared_ptr<metrics_core> core,
                  const metric_labels& runner, const time_buckets& bounds) {
  return std::make_shared<group_series>(std::move(core), runner, bounds);
}

} // namespace muster
