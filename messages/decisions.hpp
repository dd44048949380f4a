#pragma once

#include "messages/id.hpp"
#include "messages/phases.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

// What a group remarks about its decisions, for people and for recordings; no
// actor receives any of these. Free of CAF; `inspect` is in messages/group.hpp.

/// By which rule something was done, or was not. A closed set: it labels a
/// metric. A byte of recordings: append, never reuse.
enum class decision_rule : uint8_t {
  // how many instances there are to be
  satisfied,     ///< what is wanted is there
  pending,       ///< more, since jobs wait
  idle_count,    ///< more, since so many slots are to be kept free
  scale_factor,  ///< more, by the factor of the slots in use
  max_instances, ///< no more, since the limit is reached
  surplus,       ///< fewer: more is there than wanted
  reserved,      ///< no fewer, since reservations keep them
  // what holds a decision back
  idle_time,        ///< surplus, but not idle for long enough
  scale_throttle,   ///< more, but not so fast
  failure_pause,    ///< more, but instances did not become ready
  provider_refused, ///< more, but the provider gave none a moment ago
  provider_lost,    ///< the provider is being started, or another takes over
  // what is done with one instance
  max_idle_time,    ///< removed: surplus, and idle for long enough
  max_use_count,    ///< removed: it has had all its jobs
  unhealthy,        ///< removed: it does not work
  reconfigured,     ///< removed: made by settings that have changed
  taken_back,       ///< stays after all: demand has returned
  unknown_instance, ///< removed: the journal does not know it
  job_left,         ///< removed: something of a job is there that nobody claims
  lost_before,      ///< removed: it did not answer a moment ago
  removed_outside,  ///< gone, though nobody here had asked for it
  shutdown,         ///< removed: the manager stops
  // what is done about promises and requests
  not_ready,       ///< no promise: the group has not listed its instances
  no_capacity,     ///< no promise: nothing free, and no room to grow
  preemptive,      ///< no promise: nothing free now, and growth does not count
  request_expired, ///< what was asked for never appeared: asked for again
  // what holds a decision back, too
  listing_failed, ///< more, but what there is cannot be listed
};

constexpr auto last_decision_rule = decision_rule::listing_failed;

/// Returns the rule's name, as in logs and metrics: `idle_count`.
inline std::string to_string(decision_rule x) {
  constexpr std::array names{
    "satisfied",       "pending",          "idle_count",       "scale_factor",
    "max_instances",   "surplus",          "reserved",         "idle_time",
    "scale_throttle",  "failure_pause",    "provider_refused", "provider_lost",
    "max_idle_time",   "max_use_count",    "unhealthy",        "reconfigured",
    "taken_back",      "unknown_instance", "job_left",         "lost_before",
    "removed_outside", "shutdown",         "not_ready",        "no_capacity",
    "preemptive",      "request_expired",  "listing_failed"};
  static_assert(names.size() == static_cast<size_t>(last_decision_rule) + 1);
  auto at = static_cast<size_t>(x);
  return at < names.size() ? names.at(at) : "unknown";
}

/// An instance that a decision removes.
struct cordon_note {
  instance_id instance;
  decision_rule rule = decision_rule::max_idle_time;

  bool operator==(const cordon_note&) const = default;
};

/// A part of what was wanted that was not done.
struct option_note {
  decision_rule rule = decision_rule::max_instances;
  int32_t count = 0;  ///< instances; > 0
  int64_t for_ms = 0; ///< when it may come out otherwise; 0: not by itself

  bool operator==(const option_note&) const = default;
};

/// A decision about a group's instances: its rule, what it was made from, what
/// was done and what was not.
struct decision_note {
  decision_rule rule = decision_rule::satisfied;
  int32_t required = 0;     ///< > 0: to add; < 0: to remove [instances]
  int32_t unrestricted = 0; ///< without limit and reservations [instances]
  int64_t wanted = 0;       ///< of all kinds together [slots]

  int32_t instances = 0;   ///< requested, creating or running [instances]
  int32_t requests = 0;    ///< of these, not listed yet [instances]
  int32_t idle = 0;        ///< free, on instances that are ready [slots]
  int32_t acquired = 0;    ///< held by jobs [slots]
  int32_t unavailable = 0; ///< free, but past max_use_count [slots]
  int32_t pending = 0;     ///< jobs that wait [slots]
  int32_t reserved = 0;    ///< reservations not acquired yet [slots]

  int32_t max_instances = 0; ///< 0: no limit [instances]
  int32_t capacity_per_instance = 1;
  int32_t policy = -1; ///< in the configuration, from 0; -1: the built-in one
  std::string periods; ///< of that policy
  int32_t idle_count = 0;
  double scale_factor = 0;
  int32_t scale_factor_limit = 0;
  int64_t idle_time_ms = 0;

  int32_t asked = 0; ///< of the provider [instances]
  std::vector<instance_id> taken_back;
  std::vector<cordon_note> cordoned;
  std::vector<option_note> not_taken;

  // What takes up room below max_instances beside `instances`:
  int32_t removing = 0; ///< not gone yet [instances]
  /// Requests that were given up, and may still appear. [instances]
  int32_t unconfirmed = 0;

  /// Whether it does anything.
  bool acts() const {
    return asked > 0 || !taken_back.empty() || !cordoned.empty();
  }

  bool operator==(const decision_note&) const = default;
};

/// A promise was refused: GitLab is not asked for a job.
struct refusal_note {
  acquisition_key key;
  decision_rule rule = decision_rule::no_capacity;
  int32_t idle = 0;     ///< [slots]
  int32_t acquired = 0; ///< [slots]
  int32_t reserved = 0; ///< promised to others [slots]
  int32_t max_instances = 0;
  int32_t capacity_per_instance = 1;

  bool operator==(const refusal_note&) const = default;
};

enum class instance_event : uint8_t {
  found,   ///< in a listing, and it serves
  refused, ///< in a listing, and it is removed
  retired, ///< it gets no more jobs
  lost,    ///< its actor has ended, not as it was to
  gone,    ///< from the cloud
  ready,   ///< jobs may be given to it
};

/// What became of an instance, and why.
struct instance_note {
  instance_id instance;
  instance_event what = instance_event::found;
  decision_rule rule = decision_rule::satisfied; ///< of a removal
  instance_cause cause = instance_cause::requested;
  int64_t since_ms = -1; ///< ago: it was asked for, else listed; -1: not known
  int32_t use_count = 0; ///< jobs it has had
  std::string reason;    ///< in words; may be empty

  bool operator==(const instance_note&) const = default;
};

/// Requests that no listing has shown in time.
struct request_note {
  int32_t given_up = 0; ///< instances
  int64_t after_ms = 0;

  bool operator==(const request_note&) const = default;
};

} // namespace muster
