#pragma once

#include "actors/metrics/series.hpp"
#include "actors/metrics_sink.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

using metric_labels = prometheus::Labels;

/// A job as `/debug/jobs/list` and `gitlab_runner_jobs` show it.
struct job_row {
  metric_labels runner;
  int64_t job = 0;
  std::string url;
  std::string_view state = "pending";
  std::string stage; ///< empty before the first
  std::string_view executor_stage = "created";
  std::chrono::steady_clock::time_point since;
  std::chrono::steady_clock::time_point stage_since;
  bool over = false; ///< no stage begins any more
};

/// What the objects share that count. Series are those of `known_series`, and
/// are made when they are asked for first. Thread-safe.
class metrics_core {
public:
  prometheus::Counter& counter(std::string_view name,
                               const metric_labels& labels = {});
  prometheus::Gauge& gauge(std::string_view name,
                           const metric_labels& labels = {});
  /// With bounds of its own, unless they are empty.
  prometheus::Histogram& histogram(std::string_view name,
                                   const metric_labels& labels,
                                   const std::vector<double>& own = {});

  /// A queue holds so much more now, or less.
  void add_to_queue(told_queue which, const metric_labels& runner,
                    double change);

  /// One that is shown also while it has no job.
  void add_runner(const metric_labels& runner);

  uint64_t add_job(job_row row);
  void change_job(uint64_t id, const std::function<void(job_row&)>& change);
  void remove_job(uint64_t id);
  std::vector<job_row> jobs() const;
  std::vector<metric_labels> runners() const;

  std::vector<prometheus::MetricFamily> collect() const {
    return registry_.Collect();
  }

private:
  prometheus::Registry registry_;
  mutable std::mutex mutex_; ///< for what follows
  std::map<uint64_t, job_row> jobs_;
  /// Depth and peak: asked for with each message, so they are looked up once.
  std::map<std::pair<told_queue, metric_labels>,
           std::pair<prometheus::Gauge*, prometheus::Gauge*>>
    queues_;
  std::vector<metric_labels> runners_;
  uint64_t jobs_made_ = 0;
};

/// What one of several adds to a gauge: two of a kind may overlap, when one
/// has failed and another takes its place.
class gauge_share {
public:
  void of(prometheus::Gauge& gauge) {
    gauge_ = &gauge;
  }

  void set(double value) {
    gauge_->Increment(value - value_);
    value_ = value;
  }

  void add(double change) {
    set(value_ + change);
  }

private:
  prometheus::Gauge* gauge_ = nullptr;
  double value_ = 0;
};

/// The same of a queue.
class queue_share final : public queue_metrics {
public:
  queue_share(std::shared_ptr<metrics_core> core, told_queue which,
              metric_labels runner);
  ~queue_share() override;
  queue_share(const queue_share&) = delete;
  queue_share& operator=(const queue_share&) = delete;

  void holds(size_t depth) override;

private:
  const std::shared_ptr<metrics_core> core_;
  const told_queue which_;
  const metric_labels runner_;
  double depth_ = 0;
};

std::string to_string(told_queue x);

} // namespace muster
