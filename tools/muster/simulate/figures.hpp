#pragma once

#include "actors/simulated/course.hpp"
#include "providers/simulated/cloud.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster::simulate {

using std::chrono::milliseconds;

/// What a simulation leaves behind.
struct run_facts {
  time_point begins;
  time_point ends;
  int capacity = 1; ///< slots of an instance
  std::vector<simulated::job_course> jobs;
  std::vector<simulated::machine_life> machines;
  std::array<int64_t, simulated::call_kinds> calls{};
  uint64_t messages = 0;
};

/// From being queued until there is a slot, of the jobs that got one.
struct waiting_times {
  milliseconds p50{0};
  milliseconds p95{0};
  milliseconds p99{0};
  milliseconds longest{0};
};

/// One part of the time that is shown.
struct sample {
  double instances = 0; ///< on average
  double busy = 0;      ///< slots with a job, on average
  int queued = 0;       ///< jobs that wait for a slot, at most
};

struct figures {
  size_t jobs = 0;
  size_t done = 0;
  size_t timed_out = 0; ///< without a slot within instance_acquire_timeout
  size_t lost = 0;      ///< with their instance
  size_t not_begun = 0; ///< at the end they were in the queue still
  std::optional<waiting_times> waited; ///< nothing: no job got a slot
  double instance_hours = 0;
  double busy_hours = 0; ///< of slots
  double idle_share = 0; ///< of the slots that were paid for, without a job
  std::optional<double> cost;
  size_t instances_made = 0;
  size_t instances_removed = 0;
  int instances_peak = 0;
  int busy_peak = 0;   ///< slots
  int queued_peak = 0; ///< jobs
  std::array<int64_t, simulated::call_kinds> calls{};
  milliseconds span{0};
  uint64_t messages = 0;
  std::vector<sample> samples; ///< in parts of equal length
};

/// What a policy came to.
struct outcome {
  std::string name;
  figures is;
};

/// Works the figures out. `price_per_hour`: of an instance.
figures figures_of(const run_facts& x, std::optional<double> price_per_hour,
                   size_t samples);

/// The calls to the provider, all together.
int64_t calls_of(const figures& x);

} // namespace muster::simulate
