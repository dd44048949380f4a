#include "tools/coordinator/violations.hpp"

#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <numeric>

namespace muster::gitlab {

namespace {

constexpr size_t kept_max = 1000;

} // namespace

int64_t now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch())
    .count();
}

void violation_log::add(std::string rule, int64_t job, std::string text) {
  if (strict_)
    fmt::print(stderr, "violation {}{}: {}\n", rule,
               job == 0 ? "" : fmt::format(" (job {})", job), text);
  std::lock_guard guard{mutex_};
  ++counts_[rule];
  last_.push_back({now_us(), std::move(rule), job, std::move(text)});
  if (last_.size() > kept_max)
    last_.pop_front();
}

std::vector<violation> violation_log::list() const {
  std::lock_guard guard{mutex_};
  return {last_.begin(), last_.end()};
}

std::map<std::string, uint64_t> violation_log::counts() const {
  std::lock_guard guard{mutex_};
  return counts_;
}

uint64_t violation_log::total() const {
  std::lock_guard guard{mutex_};
  return std::accumulate(
    counts_.begin(), counts_.end(), uint64_t{0},
    [](uint64_t sum, const auto& entry) { return sum + entry.second; });
}

void violation_log::clear() {
  std::lock_guard guard{mutex_};
  last_.clear();
  counts_.clear();
}

} // namespace muster::gitlab
