#include "actors/group/member.hpp"

#include "actors/group/capacity.hpp"

#include <algorithm>

namespace muster {

namespace {

/// Slots of this instance: a changed capacity_per_instance finds instances that
/// were made with another one.
int32_t slots_of(const member& x, const fleet_limits& limits) {
  return x.told.slots.empty() ? limits.capacity_per_instance
                              : static_cast<int32_t>(x.told.slots.size());
}

slot_phase phase_of(const member& x, int32_t slot) {
  auto index = static_cast<size_t>(slot);
  return index < x.told.slots.size() ? x.told.slots[index].phase
                                     : slot_phase::free;
}

int count(const member& x, slot_phase phase) {
  return static_cast<int>(
    std::ranges::count(x.told.slots, phase, &slot_facts::phase));
}

/// Free slots of a ready instance that its uses left allow to give out.
int idle_slots(const member& x, const fleet_limits& limits) {
  auto result = 0;
  for (auto i = 0; i < slots_of(x, limits); ++i)
    result += phase_of(x, i) == slot_phase::free && !x.underway.contains(i);
  if (limits.max_use_count > 0)
    result = std::min(result, limits.max_use_count - uses(x));
  return std::max(0, result);
}

/// Slots that never serve: by the use limit, or since the instance was made
/// with fewer than are configured now.
int never_served(const member& x, const fleet_limits& limits) {
  auto all = limits.capacity_per_instance;
  auto lost
    = unavailable_slots(uses(x), held(x), limits.max_use_count, all, false)
      + std::max(0, all - slots_of(x, limits));
  return std::clamp(lost, 0, std::max(0, all - held(x)));
}

} // namespace

std::string to_string(retire_reason x) {
  switch (x) {
    case retire_reason::max_use_count:
      return "instance reached max use count";
    case retire_reason::unhealthy:
      return "instance is unhealthy";
    case retire_reason::max_idle_time:
      return "instance exceeded max idle time";
    case retire_reason::reconfigured:
      return "instance was made with another configuration";
  }
  return "unknown";
}

fleet_counts& fleet_counts::operator+=(const fleet_counts& x) {
  present += x.present;
  instances += x.instances;
  not_ready += x.not_ready;
  acquired += x.acquired;
  unavailable += x.unavailable;
  idle += x.idle;
  cleaning += x.cleaning;
  return *this;
}

fleet_counts& fleet_counts::operator-=(const fleet_counts& x) {
  present -= x.present;
  instances -= x.instances;
  not_ready -= x.not_ready;
  acquired -= x.acquired;
  unavailable -= x.unavailable;
  idle -= x.idle;
  cleaning -= x.cleaning;
  return *this;
}

int uses(const member& x) {
  return x.told.use_count + static_cast<int>(x.underway.size());
}

int held(const member& x) {
  auto result = count(x, slot_phase::held);
  for (const auto& [slot, key] : x.underway)
    result += phase_of(x, slot) != slot_phase::held;
  return result;
}

bool has_taken(const member& x) {
  return !x.underway.empty() || count(x, slot_phase::held) > 0
         || count(x, slot_phase::cleaning) > 0;
}

bool is_worn(const member& x, const fleet_limits& limits) {
  return limits.max_use_count > 0 && uses(x) >= limits.max_use_count;
}

bool is_unhealthy(const member& x, const fleet_limits& limits) {
  return x.told.failures >= limits.failure_threshold
         || count(x, slot_phase::unusable) > 0;
}

standing standing_of(const member& x, const fleet_limits& limits) {
  auto phase = x.told.phase;
  if (x.cloud_deletes || x.deletion_asked || phase == instance_phase::deleting
      || phase == instance_phase::gone)
    return standing::leaving;
  if (x.cordoned || phase == instance_phase::draining || is_worn(x, limits)
      || is_unhealthy(x, limits))
    return has_taken(x) ? standing::finishing : standing::leaving;
  return phase == instance_phase::ready ? standing::serving : standing::coming;
}

fleet_counts part_of(const member& x, const fleet_limits& limits) {
  fleet_counts result;
  result.present = 1;
  auto role = standing_of(x, limits);
  if (role == standing::leaving)
    return result;
  result.instances = 1;
  result.not_ready = role == standing::coming ? 1 : 0;
  result.acquired = held(x);
  result.cleaning = count(x, slot_phase::cleaning);
  result.unavailable
    = role == standing::finishing
        ? std::max(0, limits.capacity_per_instance - result.acquired)
        : never_served(x, limits);
  if (role == standing::serving)
    result.idle = idle_slots(x, limits);
  return result;
}

std::optional<int32_t> free_slot(const member& x, const fleet_limits& limits) {
  if (standing_of(x, limits) != standing::serving)
    return std::nullopt;
  for (auto i = 0; i < slots_of(x, limits); ++i)
    if (phase_of(x, i) == slot_phase::free && !x.underway.contains(i))
      return i;
  return std::nullopt;
}

group_time idle_since(const member& x) {
  return std::max(x.last_use, x.provisioned_at);
}

} // namespace muster
