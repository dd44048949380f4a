#include "actors/metrics/table.hpp"

#include "actors/metrics/core.hpp"
#include "actors/metrics/process_stats.hpp"
#include "actors/metrics/runner_series.hpp"
#include "config/duration.hpp"
#include "config/version.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <tuple>

namespace muster {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::vector<ClientMetric::Label> label_list(const metric_labels& from) {
  std::vector<ClientMetric::Label> out;
  for (const auto& [name, value] : from)
    out.push_back({name, value});
  return out;
}

/// A family whose values are looked up at this moment.
class looked_up {
public:
  explicit looked_up(std::string_view name) {
    const auto& info = series_named(name);
    family_.name = info.name;
    family_.help = info.help;
    family_.type = info.type == series_type::counter ? MetricType::Counter
                                                     : MetricType::Gauge;
  }

  looked_up& add(double value, const metric_labels& labels = {}) {
    ClientMetric x;
    x.label = label_list(labels);
    if (family_.type == MetricType::Counter)
      x.counter.value = value;
    else
      x.gauge.value = value;
    family_.metric.push_back(std::move(x));
    return *this;
  }

  MetricFamily take() {
    return std::move(family_);
  }

private:
  MetricFamily family_;
};

MetricFamily single(std::string_view name, double value) {
  return looked_up{name}.add(value).take();
}

metric_labels labels_of(const job_row& x) {
  auto out = x.runner;
  out["state"] = x.state;
  out["stage"] = x.stage;
  out["executor_stage"] = x.executor_stage;
  return out;
}

MetricFamily jobs_family(const metrics_core& core) {
  std::map<metric_labels, double> counts;
  for (auto labels : core.runners()) {
    for (const auto* name : {"state", "stage", "executor_stage"})
      labels[name] = "idle";
    counts[labels] = 0;
  }
  for (const auto& x : core.jobs())
    ++counts[labels_of(x)];
  looked_up out{"gitlab_runner_jobs"};
  for (const auto& [labels, count] : counts)
    out.add(count, labels);
  return out.take();
}

void add_process(std::vector<MetricFamily>& to) {
  auto x = read_process_stats();
  to.push_back(single("process_cpu_seconds_total", x.cpu_s));
  to.push_back(single("process_resident_memory_bytes",
                      static_cast<double>(x.resident_bytes)));
  to.push_back(single("process_virtual_memory_bytes",
                      static_cast<double>(x.virtual_bytes)));
  to.push_back(single("process_open_fds", static_cast<double>(x.open_fds)));
  to.push_back(single("process_max_fds", static_cast<double>(x.fds_max)));
  to.push_back(single("process_start_time_seconds", x.start_s));
}

/// Adds to a family of that name, if there is one.
void merge(MetricFamily what, std::vector<MetricFamily>& into) {
  auto found = std::ranges::find(into, what.name, &MetricFamily::name);
  if (found == into.end())
    into.push_back(std::move(what));
  else
    std::ranges::move(what.metric, std::back_inserter(found->metric));
}

void add_samples(const process_samples& x, std::vector<MetricFamily>& to) {
  auto level = [](const char* name) { return metric_labels{{"level", name}}; };
  to.push_back(looked_up{"gitlab_runner_errors_total"}
                 .add(static_cast<double>(x.warnings), level("warning"))
                 .add(static_cast<double>(x.errors), level("error"))
                 .add(static_cast<double>(x.fatals), level("fatal"))
                 .add(0, level("panic"))
                 .take());
  auto queue = [](told_queue which) {
    return metric_labels{{"queue", to_string(which)}};
  };
  merge(
    looked_up{"muster_queue_depth"}
      .add(static_cast<double>(x.log_bytes), queue(told_queue::log_bytes))
      .add(static_cast<double>(x.ssh_commands), queue(told_queue::ssh_commands))
      .take(),
    to);
  merge(
    looked_up{"muster_queue_high_water"}
      .add(static_cast<double>(x.log_bytes_peak), queue(told_queue::log_bytes))
      .add(static_cast<double>(x.ssh_commands_peak),
           queue(told_queue::ssh_commands))
      .take(),
    to);
  to.push_back(single("muster_recorder_up", x.is_recording ? 1 : 0));
  auto count = [&to](const char* name, int64_t value) {
    to.push_back(single(name, static_cast<double>(value)));
  };
  count("muster_recorder_records_total", x.records);
  count("muster_recorder_dropped_records_total", x.records_lost);
  count("muster_recorder_bytes_total", x.record_bytes);
}

/// The same order each time, whatever the tables hash.
void sort(std::vector<MetricFamily>& families) {
  // Labels know no more of an order than this.
  auto less = [](const auto& one, const auto& two) { return one < two; };
  std::erase_if(families, [](const auto& x) { return x.metric.empty(); });
  std::ranges::sort(families, {}, &MetricFamily::name);
  for (auto& x : families) {
    for (auto& y : x.metric)
      std::ranges::sort(y.label, less);
    std::ranges::sort(x.metric, less, &ClientMetric::label);
  }
}

} // namespace

struct metrics_table::core {
  std::shared_ptr<metrics_core> series = std::make_shared<metrics_core>();
  mutable std::mutex mutex; ///< for what follows
  process_state state = process_state::starting;
  std::function<process_samples()> look;
};

metrics_table::metrics_table(const program_facts& program)
  : core_(std::make_shared<core>()) {
  auto& all = *core_->series;
  all
    .gauge("gitlab_runner_version_info", {{"name", "muster"},
                                          {"version", program.version},
                                          {"revision", program.revision},
                                          {"branch", program.branch},
                                          {"go_version", ""},
                                          {"built_at", ""},
                                          {"os", "linux"},
                                          {"architecture", arch_text}})
    .Set(1);
  all.gauge("gitlab_runner_concurrent").Set(program.concurrent);
  all.gauge("gitlab_runner_worker_slots_number").Set(program.concurrent);
  all
    .counter("gitlab_runner_worker_slot_operations_total",
             {{"operation", "started"}})
    .Increment(program.concurrent);
  all.counter("gitlab_runner_worker_slot_operations_total",
              {{"operation", "stopped"}});
  all.counter("gitlab_runner_configuration_loaded_total").Increment();
  for (const auto* name : {"gitlab_runner_configuration_loading_error_total",
                           "gitlab_runner_configuration_saved_total",
                           "gitlab_runner_configuration_saving_error_total"})
    all.counter(name);
}

metrics_table::~metrics_table() = default;

std::shared_ptr<runner_metrics> metrics_table::runner(const runner_facts& x) {
  return make_runner_series(core_->series, x);
}

void metrics_table::is(process_state x) {
  std::lock_guard guard{core_->mutex};
  core_->state = x;
}

std::shared_ptr<queue_metrics> metrics_table::queue(told_queue which) {
  return std::make_shared<queue_share>(core_->series, which, metric_labels{});
}

void metrics_table::config_read(bool is_in_force) {
  core_->series
    ->counter(is_in_force ? "gitlab_runner_configuration_loaded_total"
                          : "gitlab_runner_configuration_loading_error_total")
    .Increment();
}

void metrics_table::concurrent(int jobs) {
  auto& all = *core_->series;
  auto& now = all.gauge("gitlab_runner_concurrent");
  auto more = jobs - now.Value();
  now.Set(jobs);
  all.gauge("gitlab_runner_worker_slots_number").Set(jobs);
  all
    .counter("gitlab_runner_worker_slot_operations_total",
             {{"operation", more < 0 ? "stopped" : "started"}})
    .Increment(std::abs(more));
}

void metrics_table::sample_with(std::function<process_samples()> look) {
  std::lock_guard guard{core_->mutex};
  core_->look = std::move(look);
}

process_state metrics_table::state() const {
  std::lock_guard guard{core_->mutex};
  return core_->state;
}

std::string metrics_table::text() const {
  auto families = core_->series->collect();
  families.push_back(jobs_family(*core_->series));
  families.push_back(looked_up{"gitlab_runner_process_state_info"}
                       .add(1, {{"state", to_string(state())}})
                       .take());
  add_process(families);
  std::function<process_samples()> look;
  {
    std::lock_guard guard{core_->mutex};
    look = core_->look;
  }
  if (look)
    add_samples(look(), families);
  sort(families);
  return prometheus::TextSerializer{}.Serialize(families);
}

std::string metrics_table::jobs_text() const {
  std::string out;
  auto now = std::chrono::steady_clock::now();
  for (const auto& x : core_->series->jobs())
    out += fmt::format(
      "url={}/-/jobs/{} state={} stage={} executor_stage={} duration={}\n",
      x.url, x.job, x.state, x.stage, x.executor_stage,
      format_duration(
        std::chrono::duration_cast<std::chrono::milliseconds>(now - x.since)));
  return out;
}

std::string to_string(process_state x) {
  switch (x) {
    case process_state::starting:
      return "starting";
    case process_state::running:
      return "running";
    case process_state::graceful_shutdown:
      return "graceful-shutdown";
    case process_state::forceful_shutdown:
      break;
  }
  return "forceful-shutdown";
}

} // namespace muster
