#pragma once

#include "actors/group/group_time.hpp"
#include "messages/id.hpp"
#include "messages/phases.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// What an instance of a group may carry.
struct fleet_limits {
  int capacity_per_instance = 1; ///< at least 1 [slots]
  int max_use_count = 0;         ///< 0: no limit [jobs]
  int failure_threshold = 3;     ///< at least 1 [failures in a row]

  bool operator==(const fleet_limits&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 fleet_limits& x) {
    return f(x.capacity_per_instance, x.max_use_count, x.failure_threshold);
  }
};

/// A slot as its instance last told of it.
struct slot_facts {
  slot_phase phase = slot_phase::free;
  acquisition_key key; ///< empty exactly when `free`

  bool operator==(const slot_facts&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, slot_facts& x) {
    return f(x.phase, x.key);
  }
};

/// An instance as its last status tells it. A snapshot: it replaces what was
/// told before.
struct instance_report {
  instance_id instance;
  instance_phase phase = instance_phase::creating;
  std::vector<slot_facts> slots; ///< empty: not told yet, all free
  int32_t use_count = 0;         ///< jobs given to it so far
  int32_t failures = 0;          ///< health failures in a row
  std::string reason;            ///< why it drains, is deleted or gone
  uint64_t version = 0;          ///< counts up from 1; an older one is ignored

  bool operator==(const instance_report&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 instance_report& x) {
    return f(x.instance, x.phase, x.slots, x.use_count, x.failures, x.reason,
             x.version);
  }
};

/// Why an instance is removed. A closed set: it labels a metric.
enum class retire_reason : uint8_t {
  max_use_count,
  unhealthy,
  max_idle_time,
  reconfigured, ///< it was made by settings that have changed
};

/// Returns the reason as GitLab's log tells it: `instance is unhealthy`.
std::string to_string(retire_reason x);

/// An instance in its group's books: what it told, and what the group has begun
/// with it.
struct member {
  instance_report told;
  instance_cause cause = instance_cause::requested;
  group_time provisioned_at = {}; ///< first listed, by whatever manager
  group_time last_use = group_time::min();     ///< a slot was given back
  std::map<int32_t, acquisition_key> underway; ///< slot -> key, not confirmed
  bool cordoned = false;                       ///< first step of the removal
  retire_reason cordon_reason = retire_reason::max_idle_time;
  bool cloud_deletes = false;  ///< the cloud says so
  bool deletion_asked = false; ///< second step of the removal
  group_time ask_again = {};   ///< `never` while an answer is out

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, member& x) {
    return f(x.told, x.cause, x.provisioned_at, x.last_use, x.underway,
             x.cordoned, x.cordon_reason, x.cloud_deletes, x.deletion_asked,
             x.ask_again);
  }
};

/// What an instance is to its group.
enum class standing : uint8_t {
  coming,    ///< not up yet; will serve
  serving,   ///< its free slots are given out
  finishing, ///< gets no more job, but slots of it are taken
  leaving,   ///< gets no more job, and nothing holds it back
};

/// Sums over the instances of a group.
struct fleet_counts {
  int present = 0;     ///< known, those being deleted among them [instances]
  int instances = 0;   ///< of these, all that are not leaving [instances]
  int not_ready = 0;   ///< of these, not up yet [instances]
  int acquired = 0;    ///< held, or about to be [slots]
  int unavailable = 0; ///< of counted instances, never to be given out [slots]
  int idle = 0;        ///< can be given out now [slots]
  int cleaning = 0;    ///< of a job that is over; soon free [slots]

  bool operator==(const fleet_counts&) const = default;

  fleet_counts& operator+=(const fleet_counts& x);
  fleet_counts& operator-=(const fleet_counts& x);

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 fleet_counts& x) {
    return f(x.present, x.instances, x.not_ready, x.acquired, x.unavailable,
             x.idle, x.cleaning);
  }
};

/// Jobs given to the instance, those on their way to it among them.
int uses(const member& x);

/// Slots that are held, or about to be.
int held(const member& x);

/// Whether a slot is held, about to be, or being cleaned: such an instance must
/// not be deleted.
bool has_taken(const member& x);

/// Whether the instance has had all the jobs that it may have.
bool is_worn(const member& x, const fleet_limits& limits);

/// Whether the instance has failed too often, or a slot of it is beyond use.
bool is_unhealthy(const member& x, const fleet_limits& limits);

standing standing_of(const member& x, const fleet_limits& limits);

/// What the instance adds to the sums.
///
/// One that is `finishing` counts as one instance all of whose slots are
/// acquired or unavailable: it neither serves demand nor makes any. A slot that
/// is being cleaned is neither acquired nor idle: the capacity is there, a
/// moment later.
///
/// Source: reference/autoscaling, section 4. Unlike the peer's, instances that
/// do not run yet have their unavailable slots counted (else a use limit below
/// the capacity makes the group grow boot by boot), and an instance has never
/// more of them than free slots.
fleet_counts part_of(const member& x, const fleet_limits& limits);

/// The lowest slot that can be given out; nothing if the instance cannot serve.
std::optional<int32_t> free_slot(const member& x, const fleet_limits& limits);

/// When the instance's idle time began, if nothing is taken.
group_time idle_since(const member& x);

} // namespace muster
