#include "actors/group/fleet.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

bool has_run(instance_phase x) {
  return x != instance_phase::creating;
}

/// A status that shows the slot under its key ends the wait for the answer.
void drop_confirmed(member& x) {
  std::erase_if(x.underway, [&x](const auto& what) {
    auto slot = static_cast<size_t>(what.first);
    return slot < x.told.slots.size() && x.told.slots[slot].key == what.second;
  });
}

/// Whether a slot that was held is held no more, or by another.
bool gave_back(const instance_report& before, const instance_report& after) {
  for (size_t i = 0; i < before.slots.size(); ++i)
    if (before.slots[i].phase == slot_phase::held
        && (i >= after.slots.size() || after.slots[i] != before.slots[i]))
      return true;
  return false;
}

fleet_limits sane(fleet_limits x) {
  x.capacity_per_instance = std::max(1, x.capacity_per_instance);
  x.failure_threshold = std::max(1, x.failure_threshold);
  return x;
}

} // namespace

fleet::fleet(fleet_limits limits) : limits_(sane(limits)) {
}

void fleet::set_limits(fleet_limits limits) {
  limits_ = sane(limits);
  for (auto i = members_.begin(); i != members_.end(); ++i)
    recount(i);
}

void fleet::restored() {
  ranks_.clear();
  places_.clear();
  open_.clear();
  doubtful_.clear();
  leaving_.clear();
  sums_ = {};
  for (auto i = members_.begin(); i != members_.end(); ++i) {
    ranks_[i->second.is.told.instance] = i->first;
    i->second.part = {};
    index_keys(i);
    recount(i);
  }
}

const fleet_limits& fleet::limits() const {
  return limits_;
}

// -- what comes in ------------------------------------------------------------

void fleet::add(const instance_id& instance, instance_cause cause,
                group_time provisioned_at, int32_t use_count,
                group_time last_use) {
  if (ranks_.contains(instance))
    return;
  auto age = next_unseen_++;
  ranks_.emplace(instance, age);
  auto at = members_.emplace(age, entry{}).first;
  auto& x = at->second.is;
  x.told.instance = instance;
  x.told.use_count = use_count;
  x.cause = cause;
  x.provisioned_at = provisioned_at;
  x.last_use = last_use;
  recount(at);
}

bool fleet::update(instance_report what, group_time now) {
  auto known = look_up(what.instance);
  if (known == members_.end() || what.version <= known->second.is.told.version)
    return false;
  if (what.phase == instance_phase::gone) {
    drop(what.instance);
    return true;
  }
  auto at = in_place(known, what.phase);
  auto& x = at->second.is;
  forget_keys(x);
  if (gave_back(x.told, what))
    x.last_use = now;
  x.told = std::move(what);
  drop_confirmed(x);
  index_keys(at);
  recount(at);
  return true;
}

void fleet::cloud_deletes(const instance_id& instance) {
  auto at = look_up(instance);
  if (at == members_.end())
    return;
  at->second.is.cloud_deletes = true;
  recount(at);
}

void fleet::cloud_keeps(const instance_id& instance) {
  auto at = look_up(instance);
  if (at == members_.end() || !at->second.is.cloud_deletes)
    return;
  at->second.is.cloud_deletes = false;
  recount(at);
}

void fleet::drop(const instance_id& instance) {
  auto at = look_up(instance);
  if (at == members_.end())
    return;
  forget_keys(at->second.is);
  forget_sums(at);
  ranks_.erase(instance);
  members_.erase(at);
}

/// Returns where the entry stands by age: it moves once, when it is first seen
/// running.
fleet::members::iterator fleet::in_place(members::iterator known,
                                         instance_phase phase) {
  if (known->first < first_unseen || !has_run(phase))
    return known;
  forget_sums(known);
  auto moved = members_.extract(known);
  moved.key() = next_seen_++;
  ranks_[moved.mapped().is.told.instance] = moved.key();
  return members_.insert(std::move(moved)).position;
}

// -- what is known ------------------------------------------------------------

const member* fleet::find(const instance_id& instance) const {
  auto at = look_up(instance);
  return at == members_.end() ? nullptr : &at->second.is;
}

std::vector<instance_id> fleet::instances() const {
  std::vector<instance_id> result;
  result.reserve(members_.size());
  for (const auto& [age, x] : members_)
    result.push_back(x.is.told.instance);
  return result;
}

const fleet_counts& fleet::counts() const {
  return sums_;
}

fleet::members::iterator fleet::look_up(const instance_id& instance) {
  auto age = ranks_.find(instance);
  return age == ranks_.end() ? members_.end() : members_.find(age->second);
}

fleet::members::const_iterator
fleet::look_up(const instance_id& instance) const {
  auto age = ranks_.find(instance);
  return age == ranks_.end() ? members_.end() : members_.find(age->second);
}

// -- slots --------------------------------------------------------------------

std::optional<slot_place> fleet::next_slot() const {
  const auto& open = open_.empty() ? doubtful_ : open_;
  if (open.empty())
    return std::nullopt;
  const auto& oldest = members_.at(*open.begin()).is;
  auto slot = free_slot(oldest, limits_);
  if (!slot)
    return std::nullopt;
  return slot_place{oldest.told.instance, *slot};
}

bool fleet::occupy(const slot_place& where, const acquisition_key& key) {
  return take(where, key, limits_.capacity_per_instance);
}

bool fleet::claim(const slot_place& where, const acquisition_key& key) {
  return take(where, key, INT32_MAX);
}

bool fleet::take(const slot_place& where, const acquisition_key& key,
                 int32_t slots_untold) {
  if (auto has = places_.find(key); has != places_.end())
    return has->second == where;
  auto at = look_up(where.instance);
  if (at == members_.end() || where.slot < 0)
    return false;
  auto& x = at->second.is;
  auto index = static_cast<size_t>(where.slot);
  auto told = !x.told.slots.empty();
  if (told ? index >= x.told.slots.size() : where.slot >= slots_untold)
    return false;
  if ((told && x.told.slots[index].phase != slot_phase::free)
      || x.underway.contains(where.slot))
    return false;
  x.underway.emplace(where.slot, key);
  places_.emplace(key, where);
  recount(at);
  return true;
}

void fleet::occupy_accepted(const acquisition_key& key) {
  auto at = underway_to(key);
  if (at == members_.end())
    return;
  auto& x = at->second.is;
  auto slot = places_.at(key).slot;
  // What was told of the slot is overruled, the key it was told under, too.
  forget_keys(x);
  x.underway.erase(slot);
  if (auto least = static_cast<size_t>(std::max(
        slot + 1, x.told.slots.empty() ? limits_.capacity_per_instance : 0));
      x.told.slots.size() < least)
    x.told.slots.resize(least);
  x.told.slots[static_cast<size_t>(slot)] = {slot_phase::held, key};
  ++x.told.use_count;
  index_keys(at);
  recount(at);
}

void fleet::occupy_refused(const acquisition_key& key) {
  auto at = underway_to(key);
  if (at == members_.end())
    return;
  auto& x = at->second.is;
  auto slot = places_.at(key).slot;
  forget_keys(x);
  x.underway.erase(slot);
  index_keys(at);
  recount(at);
}

/// The instance that `key` is on its way to, not confirmed yet.
fleet::members::iterator fleet::underway_to(const acquisition_key& key) {
  auto has = places_.find(key);
  if (has == places_.end())
    return members_.end();
  auto at = look_up(has->second.instance);
  if (at == members_.end())
    return at;
  const auto& underway = at->second.is.underway;
  auto under = underway.find(has->second.slot);
  return under != underway.end() && under->second == key ? at : members_.end();
}

std::optional<slot_place> fleet::place_of(const acquisition_key& key) const {
  auto has = places_.find(key);
  if (has == places_.end())
    return std::nullopt;
  return has->second;
}

std::vector<acquisition_key>
fleet::underway(const instance_id& instance) const {
  std::vector<acquisition_key> result;
  if (auto at = look_up(instance); at != members_.end())
    for (const auto& [slot, key] : at->second.is.underway)
      result.push_back(key);
  return result;
}

void fleet::index_keys(members::iterator at) {
  const auto& x = at->second.is;
  for (size_t i = 0; i < x.told.slots.size(); ++i)
    if (!x.told.slots[i].key.empty())
      places_[x.told.slots[i].key] = {x.told.instance, static_cast<int32_t>(i)};
  for (const auto& [slot, key] : x.underway)
    places_[key] = {x.told.instance, slot};
}

void fleet::forget_keys(const member& x) {
  auto forget = [this, &x](const acquisition_key& key) {
    auto has = places_.find(key);
    if (has != places_.end() && has->second.instance == x.told.instance)
      places_.erase(has);
  };
  for (const auto& slot : x.told.slots)
    forget(slot.key);
  for (const auto& [slot, key] : x.underway)
    forget(key);
}

// -- sums ---------------------------------------------------------------------

void fleet::recount(members::iterator at) {
  forget_sums(at);
  auto& [age, x] = *at;
  x.role = standing_of(x.is, limits_);
  x.taken = has_taken(x.is);
  x.part = part_of(x.is, limits_);
  sums_ += x.part;
  if (x.role == standing::leaving)
    leaving_.insert(age);
  if (x.part.idle > 0)
    (x.is.told.failures > 0 ? doubtful_ : open_).insert(age);
}

void fleet::forget_sums(members::iterator at) {
  sums_ -= at->second.part;
  at->second.part = {};
  leaving_.erase(at->first);
  open_.erase(at->first);
  doubtful_.erase(at->first);
}

} // namespace muster
