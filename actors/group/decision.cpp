#include "actors/group/decision.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace muster {

namespace {

/// Slots of an instance still to come that its use limit will leave unused.
int unavailable_of_requests(const fleet_limits& limits, int requests) {
  return requests
         * unavailable_slots(0, 0, limits.max_use_count,
                             limits.capacity_per_instance, false);
}

/// Slots that may go: beside what is wanted and what is reserved, and those of
/// more instances than there may be.
int spare_slots(const scaling_decision& x) {
  auto each = int64_t{x.policy.capacity_per_instance};
  auto kept = x.wanted + x.now.reserved;
  if (x.policy.max_instances > 0)
    kept = std::min(kept, x.policy.max_instances * each);
  auto spare = x.now.instances * each - kept;
  return static_cast<int>(
    std::clamp<int64_t>(spare, 0, std::numeric_limits<int>::max()));
}

/// Instances that may be asked for beside all that are present.
int room_to_grow(const fleet& instances, const decision_input& in) {
  if (in.policy.max_instances <= 0)
    return std::numeric_limits<int>::max();
  return std::max(0, in.policy.max_instances - instances.counts().present
                       - in.requests - in.unconfirmed);
}

void grow(group_decision& x, const fleet& instances, const decision_input& in) {
  auto lacking = x.scaling.change;
  auto back = instances.revocable();
  auto taken_back = std::min(static_cast<size_t>(lacking), back.size());
  x.uncordon.assign(back.begin(),
                    back.begin() + static_cast<ptrdiff_t>(taken_back));
  x.increase = std::min(lacking - static_cast<int>(taken_back),
                        room_to_grow(instances, in));
}

} // namespace

capacity capacity_of(const fleet& instances, const reservations& promises,
                     int requests) {
  const auto& counts = instances.counts();
  capacity result;
  result.instances = counts.instances + requests;
  result.acquired = counts.acquired;
  result.unavailable = counts.unavailable
                       + unavailable_of_requests(instances.limits(), requests);
  result.pending = promises.pending();
  result.reserved = promises.reserved();
  return result;
}

slot_room room_of(const fleet& instances, const scaling& policy, int requests) {
  const auto& counts = instances.counts();
  return {counts.idle, counts.acquired,
          counts.unavailable
            + unavailable_of_requests(instances.limits(), requests),
          policy.max_instances, policy.capacity_per_instance};
}

group_decision decide_group(const fleet& instances,
                            const reservations& promises,
                            const decision_input& in) {
  group_decision result;
  result.scaling
    = decide_scaling(capacity_of(instances, promises, in.requests), in.policy);
  auto plan = instances.choose_retirements(spare_slots(result.scaling),
                                           in.idle_time, in.requests, in.now);
  result.cordon = std::move(plan.retire);
  auto surplus = static_cast<int>(std::ranges::count(
    result.cordon, retire_reason::max_idle_time, &retirement::reason));
  if (surplus > 0 && surplus > -result.scaling.change) {
    result.scaling.change = -surplus;
    result.scaling.unrestricted
      = std::min(result.scaling.unrestricted, -surplus);
    result.scaling.rule = scaling_rule::surplus;
  }
  result.next_look = plan.next_look;
  if (result.scaling.change > 0)
    grow(result, instances, in);
  return result;
}

void apply(const group_decision& what, fleet& instances) {
  for (const auto& instance : what.uncordon)
    instances.uncordon(instance);
  for (const auto& x : what.cordon)
    instances.cordon(x.instance, x.reason);
}

std::vector<assignment> assign_slots(fleet& instances, reservations& promises) {
  std::vector<assignment> result;
  for (auto key = promises.head(); key; key = promises.head()) {
    auto place = instances.next_slot();
    if (!place || !instances.occupy(*place, *key))
      break;
    promises.serve(*key);
    result.push_back({*key, *place});
  }
  return result;
}

} // namespace muster
