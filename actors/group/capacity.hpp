#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <string>

namespace muster {

/// A group's counts at one moment. No count is negative.
struct capacity {
  int instances = 0;   ///< requested, creating or running [instances]
  int acquired = 0;    ///< held by jobs [slots]
  int unavailable = 0; ///< free, but past max_use_count [slots]
  int pending = 0;     ///< acquires not served yet [slots]
  int reserved = 0;    ///< reservations not acquired yet [slots]

  bool operator==(const capacity&) const = default;
};

/// What a scale factor is a factor of (reference/autoscaling, section 5).
enum class scale_factor_target : uint8_t {
  total, ///< of all slots wanted: what GitLab Runner has been seen to do
  idle,  ///< of the slots kept free: what its manual says, hence the default
};

/// What the operator wants of a group.
struct scaling {
  int max_instances = 0;         ///< 0: no limit [instances]
  int capacity_per_instance = 1; ///< at least 1 [slots per instance]
  int idle_count = 0;            ///< kept free [slots]
  double scale_factor = 0;       ///< <= 0: none [slots per acquired slot]
  int scale_factor_limit = 0;    ///< of the factor's part; 0: none [slots]
  scale_factor_target target = scale_factor_target::idle;

  bool operator==(const scaling&) const = default;
};

/// Why a decision came out as it did. A closed set: it labels a metric.
enum class scaling_rule : uint8_t {
  satisfied,     ///< what is wanted is there
  pending,       ///< more, since acquires wait
  idle_count,    ///< more, since so many slots are to be kept free
  scale_factor,  ///< more, by the factor of the acquired slots
  max_instances, ///< more is wanted than the limit allows
  surplus,       ///< fewer: more is there than wanted
  reserved,      ///< fewer would do, but reservations keep them
};

/// Returns the rule's name, as in logs and metrics: `idle_count`.
std::string to_string(scaling_rule x);

/// How many instances to add or remove, and why: inputs, rule, and what would
/// have been done without the limit or the reservations.
struct scaling_decision {
  int change = 0; ///< > 0: to add; < 0: to remove [instances]
  scaling_rule rule = scaling_rule::satisfied;
  int unrestricted = 0; ///< without limit and reservations [instances]
  int64_t wanted = 0;   ///< of all kinds together [slots]
  capacity now;
  scaling policy;

  bool operator==(const scaling_decision&) const = default;
};

/// Returns the slots that should be there, of all kinds together: the acquired,
/// the unavailable, and the largest of `pending`, `idle_count` and the acquired
/// ones times the scale factor, up to its limit. Reservations do not count.
///
/// Source: reference/autoscaling, section 5.
int64_t wanted_slots(const capacity& now, const scaling& policy);

/// Decides how many instances to add or to remove.
///
/// A reservation keeps an instance from being removed; unlike the peer's (see
/// the conformance tests) it never adds one. What exceeds `max_instances` is
/// cut off; the limit itself removes nothing.
///
/// @pre no count is negative
/// Errors: none. Numbers out of range are clamped: a capacity_per_instance
/// below 1 counts as 1.
/// Source: reference/autoscaling, section 5.
scaling_decision decide_scaling(const capacity& now, const scaling& policy);

/// Returns the change of `decide_scaling` alone.
int instances_to_add(const capacity& now, const scaling& policy);

/// Returns the slots of one instance that are free, yet will never serve since
/// the instance will have reached `max_use_count` before them [slots].
///
/// `use_count` counts the jobs that run; it may exceed the limit after it was
/// restored or lowered, and then the result exceeds `capacity_per_instance`.
///
/// Source: reference/autoscaling, section 4.
int unavailable_slots(int use_count, int acquired, int max_use_count,
                      int capacity_per_instance, bool marked_for_removal);

/// Returns the limit in force: the operator's, or the provider's own where the
/// operator set none; 0: no limit.
///
/// Errors: `bad_config` if the provider cannot carry what is configured, or
/// cannot ever have an instance. Source: reference/autoscaling, section 3.
result<int, provider_errc> instances_limit(int configured,
                                           int64_t provider_max);

/// Returns the field `capacity-info` of the log line `required scaling change`,
/// as GitLab documents it.
std::string capacity_info(const scaling_decision& x);

} // namespace muster
