#include "actors/group/capacity.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace muster {

namespace {

constexpr int64_t most = std::numeric_limits<int>::max();

int clamped(int64_t x) {
  return static_cast<int>(std::clamp(x, -most, most));
}

/// Slots that the scale factor asks for, cut off by its limit; 0 without one.
int64_t by_factor(const capacity& now, const scaling& policy) {
  if (!(policy.scale_factor > 0)) // also not a number
    return 0;
  auto exact = std::ceil(policy.scale_factor * now.acquired);
  auto slots
    = exact >= static_cast<double>(most) ? most : static_cast<int64_t>(exact);
  if (policy.scale_factor_limit > 0)
    slots = std::min<int64_t>(slots, policy.scale_factor_limit);
  return slots;
}

/// Demand: wanted beside the unavailable slots, which serve nobody.
int64_t demand(const capacity& now, const scaling& policy) {
  int64_t free = policy.idle_count;
  if (policy.target == scale_factor_target::idle) {
    free = std::max(free, by_factor(now, policy));
    return now.acquired + std::max<int64_t>(free, now.pending);
  }
  auto base = now.acquired + std::max<int64_t>(free, now.pending);
  return std::max(base, by_factor(now, policy));
}

int64_t instances_for(int64_t slots, const scaling& policy) {
  auto each = std::max(1, policy.capacity_per_instance);
  return (slots + each - 1) / each;
}

/// The part of the demand that made it as large as it is.
scaling_rule cause_of_growth(const capacity& now, const scaling& policy) {
  auto without_factor = policy;
  without_factor.scale_factor = 0;
  if (demand(now, policy) > demand(now, without_factor))
    return scaling_rule::scale_factor;
  return now.pending > policy.idle_count ? scaling_rule::pending
                                         : scaling_rule::idle_count;
}

void decide_growth(scaling_decision& x, int64_t lacking) {
  auto room = std::max<int64_t>(0, x.policy.max_instances - x.now.instances);
  auto limited = x.policy.max_instances > 0 && lacking > room;
  x.change = clamped(limited ? room : lacking);
  x.rule
    = limited ? scaling_rule::max_instances : cause_of_growth(x.now, x.policy);
}

/// Reservations count on top, up to the point where nothing is removed: beyond
/// it the peer's formula changes its sign.
void decide_shrinking(scaling_decision& x) {
  auto kept = instances_for(x.wanted + x.now.reserved, x.policy);
  x.change = clamped(std::min<int64_t>(0, kept - x.now.instances));
  x.rule = x.change != 0 ? scaling_rule::surplus : scaling_rule::reserved;
}

} // namespace

std::string to_string(scaling_rule x) {
  switch (x) {
    case scaling_rule::satisfied:
      return "satisfied";
    case scaling_rule::pending:
      return "pending";
    case scaling_rule::idle_count:
      return "idle_count";
    case scaling_rule::scale_factor:
      return "scale_factor";
    case scaling_rule::max_instances:
      return "max_instances";
    case scaling_rule::surplus:
      return "surplus";
    case scaling_rule::reserved:
      return "reserved";
  }
  return "unknown";
}

int64_t wanted_slots(const capacity& now, const scaling& policy) {
  return demand(now, policy) + now.unavailable;
}

scaling_decision decide_scaling(const capacity& now, const scaling& policy) {
  scaling_decision result;
  result.now = now;
  result.policy = policy;
  result.wanted = wanted_slots(now, policy);
  auto lacking = instances_for(result.wanted, policy) - now.instances;
  result.unrestricted = clamped(lacking);
  if (lacking > 0)
    decide_growth(result, lacking);
  else if (lacking < 0)
    decide_shrinking(result);
  return result;
}

int instances_to_add(const capacity& now, const scaling& policy) {
  return decide_scaling(now, policy).change;
}

int unavailable_slots(int use_count, int acquired, int max_use_count,
                      int capacity_per_instance, bool marked_for_removal) {
  if (marked_for_removal || max_use_count <= 0)
    return 0;
  // The jobs that run are in the use count already: they are not counted twice.
  auto uses_left = static_cast<int64_t>(max_use_count)
                   - (static_cast<int64_t>(use_count) - acquired);
  return clamped(std::max<int64_t>(0, capacity_per_instance - uses_left));
}

result<int, provider_errc> instances_limit(int configured,
                                           int64_t provider_max) {
  if (provider_max <= 0)
    return fail(provider_errc::bad_config,
                "instance group's max size is 0: it can never have an "
                "instance; raise its size limit in the cloud");
  if (configured > provider_max)
    return fail(provider_errc::bad_config,
                fmt::format("max size option exceeds instance group's max "
                            "size: {} > {}; lower max_instances or raise the "
                            "limit in the cloud",
                            configured, provider_max));
  if (configured > 0)
    return configured;
  return provider_max >= most ? 0 : static_cast<int>(provider_max);
}

std::string capacity_info(const scaling_decision& x) {
  return fmt::format(
    "instance_count:{},max_instance_count:{},acquired:{},"
    "unavailable_capacity:{},pending:{},reserved:{},idle_count:{},"
    "scale_factor:{},scale_factor_limit:{},capacity_per_instance:{}",
    x.now.instances, x.policy.max_instances, x.now.acquired, x.now.unavailable,
    x.now.pending, x.now.reserved, x.policy.idle_count, x.policy.scale_factor,
    x.policy.scale_factor_limit, x.policy.capacity_per_instance);
}

} // namespace muster
