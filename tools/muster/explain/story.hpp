#pragma once

#include "messages/decisions.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster::explain {

// What is told of a recording: values, before they become sentences or JSON.

/// A moment by both clocks. Durations are told by the first: the wall clock may
/// have been set meanwhile.
struct stamp {
  int64_t us = 0;      ///< steady within a run [us]
  int64_t unix_us = 0; ///< for people [us]
};

/// Where a job's time went before its first script. In order of time.
enum class wait_part : uint8_t {
  unknown,       ///< in GitLab's queue, before the recording begins
  pause,         ///< in GitLab's queue, between two requests of the runner
  permit,        ///< in GitLab's queue: as many jobs as `concurrent` allows ran
  reservation,   ///< in GitLab's queue: no slot could be promised
  gitlab,        ///< in GitLab's queue, while the runner was asking for a job
  journal,       ///< the job was written down and begun
  growth,        ///< no instance was asked for yet
  boot,          ///< its instance was being made
  dial,          ///< muster connected to its instance
  ready_command, ///< its instance was being prepared
  queue,         ///< instances were ready, their slots taken or others' first
  route,         ///< the way to the helper on the instance
  start,         ///< GitLab's acceptance, the journal, the plan's way
};

constexpr size_t wait_parts = static_cast<size_t>(wait_part::start) + 1;

/// As in JSON: `ready_command`.
std::string to_string(wait_part x);

/// What it means, for people.
std::string meaning(wait_part x);

struct moment {
  stamp at;
  std::string text;
};

/// Remarks in the order of time; of many, the first and the last.
class moments {
public:
  static constexpr size_t kept = 200;

  /// Nothing new is not said twice in a row.
  void add(const stamp& at, std::string text);

  const std::deque<moment>& all() const {
    return all_;
  }

  std::deque<moment>& all() {
    return all_;
  }

  /// So many were left out, after the first half.
  size_t left_out() const {
    return left_out_;
  }

private:
  std::deque<moment> all_;
  size_t left_out_ = 0;
};

struct job_story {
  int64_t job = 0;
  std::string runner; ///< role
  std::string key;
  double queued_s = -1; ///< in GitLab's queue, as that says; -1: not known
  std::optional<stamp> offered;  ///< GitLab gave it
  std::optional<stamp> acquire;  ///< a slot was asked for
  std::optional<stamp> acquired; ///< and there
  std::optional<stamp> routed;
  std::optional<stamp> began; ///< its plan is with the helper
  std::optional<stamp> script_ended;
  std::optional<stamp> ended;
  std::string instance;
  int32_t slot = 0;
  bool is_taken_over = false; ///< from an earlier manager
  bool success = false;
  std::string failure;
  std::array<int64_t, wait_parts> waited_us{};
  std::array<std::string, wait_parts> because{};
  moments told;

  int64_t waited() const;
};

struct instance_story {
  std::string id;
  std::string group; ///< role
  instance_cause cause = instance_cause::requested;
  bool is_known = false; ///< the recording has its beginning
  std::optional<stamp> asked;
  std::optional<stamp> listed;
  std::optional<stamp> running;
  std::optional<stamp> dialed;
  std::optional<stamp> ready;
  std::optional<stamp> retired;
  std::optional<stamp> deletion; ///< was asked for
  std::optional<stamp> gone;
  std::string made_because;
  std::string retired_because;
  int32_t jobs = 0; ///< it has had
  moments told;
};

struct decision_line {
  stamp at;
  std::string group;
  decision_rule rule = decision_rule::satisfied;
  std::string action;
  std::string why;
  std::string not_done;
  std::string policy;
};

struct filter {
  std::optional<int64_t> job = {};
  std::optional<std::string> instance = {};
  std::optional<std::string> group = {}; ///< the cloud's id, or the runner's
  int64_t since_unix_us = 0;             ///< what was over by then is left out
  int64_t until_unix_us = INT64_MAX;     ///< what came later, too
};

struct report {
  std::optional<stamp> first;
  std::optional<stamp> last;
  std::vector<std::string> runs; ///< versions of muster, in order
  uint64_t records = 0;
  uint64_t missing = 0;
  std::map<std::string, std::string> groups; ///< role -> the cloud's id
  std::vector<job_story> jobs;
  std::vector<instance_story> instances;
  std::deque<decision_line> decisions;
  std::map<decision_rule, uint64_t> rules;
  moments problems;
  uint64_t jobs_begun = 0; ///< those that are left out below among them
  std::array<int64_t, wait_parts> waited_us{};
  uint64_t left_out = 0; ///< jobs, instances and decisions: too many
};

} // namespace muster::explain
