#include "actors/group/capacity.hpp"
#include "actors/group/fleet.hpp"

#include <algorithm>
#include <ranges>

// The part of a fleet that removes instances.

namespace muster {

namespace {

/// Its removal has begun, or its actor wants it.
bool is_to_go(const member& x) {
  return x.cordoned || x.told.phase == instance_phase::draining
         || x.told.phase == instance_phase::deleting;
}

} // namespace

int fleet::usable(const entry& x) const {
  return limits_.capacity_per_instance - x.part.unavailable;
}

int fleet::usable_coming(int requests) const {
  auto each = limits_.capacity_per_instance
              - unavailable_slots(0, 0, limits_.max_use_count,
                                  limits_.capacity_per_instance, false);
  auto result = requests * each;
  if (sums_.not_ready > 0)
    for (const auto& [age, x] : members_)
      result += x.role == standing::coming ? usable(x) : 0;
  return result;
}

retirement_plan fleet::choose_retirements(int spare,
                                          std::chrono::milliseconds idle_time,
                                          int requests, group_time now) const {
  retirement_plan result;
  for (auto age : leaving_) {
    const auto& x = members_.at(age);
    if (is_to_go(x.is) || x.is.cloud_deletes || x.taken)
      continue;
    auto reason = is_worn(x.is, limits_) ? retire_reason::max_use_count
                                         : retire_reason::unhealthy;
    result.retire.push_back({x.is.told.instance, reason});
  }
  auto each = sums_.unavailable > 0 ? 1 : limits_.capacity_per_instance;
  if (spare < each)
    return result;
  auto left_coming = spare;
  auto left_serving = spare - usable_coming(requests);
  for (const auto& [age, x] : members_) {
    if (left_coming < each && left_serving < each)
      break;
    auto& left = x.role == standing::coming ? left_coming : left_serving;
    auto stays = x.role == standing::leaving || x.role == standing::finishing;
    if (stays || x.taken || usable(x) > left)
      continue;
    auto expires = after(idle_since(x.is), idle_time);
    if (expires > now) {
      result.next_look = std::min(result.next_look, expires);
      continue;
    }
    result.retire.push_back({x.is.told.instance, retire_reason::max_idle_time});
    left -= usable(x);
  }
  return result;
}

void fleet::cordon(const instance_id& instance, retire_reason reason) {
  auto at = look_up(instance);
  if (at == members_.end())
    return;
  // One that is replaced is not taken back when there is something to do.
  if (at->second.is.cordoned && reason != retire_reason::reconfigured)
    return;
  at->second.is.cordoned = true;
  at->second.is.cordon_reason = reason;
  recount(at);
}

bool fleet::is_revocable(const member& x) const {
  return x.cordoned && x.cordon_reason == retire_reason::max_idle_time
         && !x.deletion_asked && !x.cloud_deletes
         && x.told.phase <= instance_phase::ready && !is_worn(x, limits_)
         && !is_unhealthy(x, limits_);
}

std::vector<instance_id> fleet::revocable() const {
  std::vector<instance_id> result;
  for (auto age : std::views::reverse(leaving_))
    if (const auto& x = members_.at(age).is; is_revocable(x))
      result.push_back(x.told.instance);
  return result;
}

bool fleet::uncordon(const instance_id& instance) {
  auto at = look_up(instance);
  if (at == members_.end() || !is_revocable(at->second.is))
    return false;
  at->second.is.cordoned = false;
  recount(at);
  return true;
}

std::vector<instance_id> fleet::deletions_due(group_time now) const {
  std::vector<instance_id> result;
  for (auto age : leaving_) {
    const auto& x = members_.at(age);
    if (is_to_go(x.is) && !x.is.cloud_deletes && !x.taken
        && x.is.ask_again <= now)
      result.push_back(x.is.told.instance);
  }
  return result;
}

void fleet::deletion_asked(const std::vector<instance_id>& which) {
  for (const auto& instance : which) {
    auto at = look_up(instance);
    if (at == members_.end())
      continue;
    at->second.is.deletion_asked = true;
    at->second.is.ask_again = never;
    recount(at);
  }
}

void fleet::deletion_answered(const std::vector<instance_id>& asked,
                              const std::vector<instance_id>& accepted,
                              group_time retry_accepted,
                              group_time retry_refused) {
  auto taken_on = std::set<instance_id>(accepted.begin(), accepted.end());
  for (const auto& instance : asked) {
    auto at = look_up(instance);
    if (at == members_.end())
      continue;
    at->second.is.ask_again
      = taken_on.contains(instance) ? retry_accepted : retry_refused;
  }
}

group_time fleet::next_deletion() const {
  auto result = never;
  for (auto age : leaving_) {
    const auto& x = members_.at(age);
    if (is_to_go(x.is) && !x.is.cloud_deletes && !x.taken)
      result = std::min(result, x.is.ask_again);
  }
  return result;
}

} // namespace muster
