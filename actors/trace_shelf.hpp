#pragma once

#include "actors/trace/trace_buffer.hpp"
#include "messages/id.hpp"

#include <map>
#include <memory>
#include <mutex>

namespace muster {

/// Where the edges find the log of a job: the heavy bytes never travel in
/// messages. May be used from any thread.
class trace_shelf {
public:
  void put(const acquisition_key& key, std::shared_ptr<trace_buffer> log) {
    std::lock_guard guard{mutex_};
    logs_[key] = std::move(log);
  }

  /// Returns the log, or null if the job is over.
  std::shared_ptr<trace_buffer> find(const acquisition_key& key) const {
    std::lock_guard guard{mutex_};
    auto found = logs_.find(key);
    return found == logs_.end() ? nullptr : found->second;
  }

  /// What the raw bytes of all logs here are counted against.
  const std::shared_ptr<trace_budget>& budget() const {
    return budget_;
  }

  void drop(const acquisition_key& key) {
    std::lock_guard guard{mutex_};
    logs_.erase(key);
  }

private:
  const std::shared_ptr<trace_budget> budget_
    = std::make_shared<trace_budget>();
  mutable std::mutex mutex_;
  std::map<acquisition_key, std::shared_ptr<trace_buffer>> logs_;
};

} // namespace muster
