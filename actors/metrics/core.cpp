#include "actors/metrics/core.hpp"

#include <algorithm>

namespace muster {

std::string to_string(told_queue x) {
  switch (x) {
    case told_queue::permits:
      return "permits";
    case told_queue::gitlab_requests:
      return "gitlab_requests";
    case told_queue::acquires:
      return "acquires";
    case told_queue::provider_calls:
      return "provider_calls";
    case told_queue::provider_questions:
      return "provider_questions";
    case told_queue::journal:
      return "journal";
    case told_queue::log_bytes:
      return "log_bytes";
    case told_queue::ssh_commands:
      break;
  }
  return "ssh_commands";
}

prometheus::Counter& metrics_core::counter(std::string_view name,
                                           const metric_labels& labels) {
  const auto& info = series_named(name);
  return prometheus::BuildCounter()
    .Name(std::string{info.name})
    .Help(std::string{info.help})
    .Register(registry_)
    .Add(labels);
}

prometheus::Gauge& metrics_core::gauge(std::string_view name,
                                       const metric_labels& labels) {
  const auto& info = series_named(name);
  return prometheus::BuildGauge()
    .Name(std::string{info.name})
    .Help(std::string{info.help})
    .Register(registry_)
    .Add(labels);
}

prometheus::Histogram& metrics_core::histogram(std::string_view name,
                                               const metric_labels& labels,
                                               const std::vector<double>& own) {
  const auto& info = series_named(name);
  return prometheus::BuildHistogram()
    .Name(std::string{info.name})
    .Help(std::string{info.help})
    .Register(registry_)
    .Add(labels, own.empty() ? *info.buckets : own);
}

void metrics_core::add_to_queue(told_queue which, const metric_labels& runner,
                                double change) {
  std::lock_guard guard{mutex_}; // two may raise the peak at once
  auto [row, is_new] = queues_.try_emplace({which, runner});
  if (is_new) {
    auto labels = runner;
    labels["queue"] = to_string(which);
    row->second = {&gauge("muster_queue_depth", labels),
                   &gauge("muster_queue_high_water", labels)};
  }
  auto [now, peak] = row->second;
  now->Increment(change);
  peak->Set(std::max(peak->Value(), now->Value()));
}

queue_share::queue_share(std::shared_ptr<metrics_core> core, told_queue which,
                         metric_labels runner)
  : core_(std::move(core)),
    which_(which),
    runner_(std::move(runner)) {
  core_->add_to_queue(which_, runner_, 0); // shown also before it has anything
}

queue_share::~queue_share() {
  core_->add_to_queue(which_, runner_, -depth_);
}

void queue_share::holds(size_t depth) {
  auto before = std::exchange(depth_, static_cast<double>(depth));
  core_->add_to_queue(which_, runner_, depth_ - before);
}

void metrics_core::add_runner(const metric_labels& runner) {
  std::lock_guard guard{mutex_};
  if (std::ranges::find(runners_, runner) == runners_.end())
    runners_.push_back(runner);
}

uint64_t metrics_core::add_job(job_row row) {
  std::lock_guard guard{mutex_};
  jobs_[++jobs_made_] = std::move(row);
  return jobs_made_;
}

void metrics_core::change_job(uint64_t id,
                              const std::function<void(job_row&)>& change) {
  std::lock_guard guard{mutex_};
  if (auto found = jobs_.find(id); found != jobs_.end())
    change(found->second);
}

void metrics_core::remove_job(uint64_t id) {
  std::lock_guard guard{mutex_};
  jobs_.erase(id);
}

std::vector<job_row> metrics_core::jobs() const {
  std::lock_guard guard{mutex_};
  std::vector<job_row> out;
  out.reserve(jobs_.size());
  for (const auto& row : jobs_)
    out.push_back(row.second);
  return out;
}

std::vector<metric_labels> metrics_core::runners() const {
  std::lock_guard guard{mutex_};
  return runners_;
}

} // namespace muster
