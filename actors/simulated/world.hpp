#pragma once

#include "actors/simulated/course.hpp"
#include "config/config.hpp"
#include "messages/connect_info.hpp"
#include "messages/id.hpp"
#include "messages/peer.hpp"
#include "providers/simulated/cloud.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace muster::simulated {

/// How long the other ends take to answer.
struct latencies {
  std::array<milliseconds, call_kinds> calls{
    milliseconds{300}, milliseconds{1'000}, milliseconds{1'000},
    milliseconds{100}, milliseconds{100}};
  milliseconds dial{1'000};
  milliseconds command{1'000}; ///< instance_ready_command
  milliseconds clean{50};      ///< of a slot
  milliseconds request{100};   ///< GitLab's answer to a request for a job
};

/// What answers go through on their way, each as a share of them.
struct answer_faults {
  double failed = 0;   ///< the call was done, or not, and nobody knows
  double late = 0;     ///< up to a minute
  double doubled = 0;  ///< it comes twice
  double unclean = 0;  ///< a slot cannot be proven clean
  double undialed = 0; ///< an instance cannot be connected to
  double unready = 0;  ///< its ready command fails

  bool operator==(const answer_faults&) const = default;
};

/// Hears what happens, as it happens to the simulated ends: the truth that the
/// group's books are compared with.
class witness {
public:
  virtual ~witness() = default;
  virtual void increase_asked(int) {
  }
  virtual void decrease_asked(const std::vector<std::string>&) {
  }
  /// The job has got, or got back, its slot.
  virtual void slot_given(size_t, const acquisition_key&, const instance_id&,
                          int32_t) {
  }
  /// The job uses it no more.
  virtual void slot_left(const acquisition_key&) {
  }
  /// Whether something of the job is left at the instance is known.
  virtual void slot_cleaned(const acquisition_key&, bool) {
  }
};

struct world_options {
  std::shared_ptr<const runner_config> runner;
  int jobs_max = 1; ///< of `concurrent` and `limit`
  milliseconds check_interval{3'000};
  cloud_options cloud;
  latencies takes;
  answer_faults faults;
  uint64_t seed = 1;
  int64_t begins_us = 0;         ///< Unix time of the beginning
  std::vector<planned_job> jobs; ///< by time
};

/// What the simulated ends of a group share. They run in one thread.
struct world {
  explicit world(world_options given);

  /// Whether one of the occasions for a fault is one.
  bool happens(double share);

  /// Counts a call. Returns when its answer comes: one after the other, as a
  /// provider makes its calls.
  time_point answer_at(call what, time_point now);

  /// An instance's journal, as long as it is known.
  struct noted_instance {
    int32_t use_count = 0;
    std::string host_key;
    std::set<acquisition_key> leftovers;
  };

  /// A job's hold on a slot, as the journal would have it.
  struct noted_hold {
    instance_id instance;
    int32_t slot = 0;
  };

  world_options options;
  cloud machines;
  chance luck;
  std::array<int64_t, call_kinds> calls{};
  time_point provider_free; ///< when the last call under way is answered
  time_point begins;
  std::vector<job_course> courses; ///< of `options.jobs`, by place
  size_t jobs_over = 0;
  std::map<instance_id, noted_instance> instances;
  std::map<acquisition_key, noted_hold> holds;
  std::map<instance_id, peer> dialed; ///< who hears of the connection
  milliseconds clock_step{0};         ///< the wall clock was moved by that
  std::shared_ptr<witness> sees = std::make_shared<witness>();
};

using world_ptr = std::shared_ptr<world>;

} // namespace muster::simulated
