#include "actors/group/reconcile.hpp"

#include <algorithm>

namespace muster {

namespace {

bool is_over(cloud_state x) {
  return x == cloud_state::deleted || x == cloud_state::timeout;
}

/// A state that changes only if somebody wants it to.
bool is_lasting(cloud_state x) {
  return x == cloud_state::running || x == cloud_state::suspended;
}

/// How much is lost with an instance if a state is believed wrongly: the end of
/// one that is going, or has ended, is the most.
int liveliness(cloud_state x) {
  if (is_over(x))
    return 0;
  return x == cloud_state::deleting ? 1 : 2;
}

/// Each id once; an entry that tells the end of an instance loses against one
/// that does not.
std::vector<listed> without_doubles(const std::vector<listed>& listing) {
  std::vector<listed> result;
  std::map<instance_id, size_t> places;
  for (const auto& x : listing) {
    if (x.instance.empty())
      continue;
    auto [at, is_new] = places.emplace(x.instance, result.size());
    if (is_new)
      result.push_back(x);
    else if (liveliness(x.state) > liveliness(result[at->second].state))
      result[at->second].state = x.state;
  }
  return result;
}

} // namespace

void cloud_view::requested(int count, group_time now, group_time give_up) {
  for (auto i = 0; i < count; ++i)
    requests_.push_back({now, give_up, false});
}

void cloud_view::answered(int asked, int accepted, bool certain,
                          group_time give_up) {
  auto unwanted = certain ? asked - std::clamp(accepted, 0, asked) : 0;
  auto left = asked;
  for (auto i = requests_.begin(); i != requests_.end() && left > 0;) {
    if (i->answered) {
      ++i;
      continue;
    }
    --left;
    if (left < unwanted) {
      i = requests_.erase(i);
      continue;
    }
    i->answered = true;
    i->give_up = give_up;
    ++i;
  }
}

int cloud_view::give_up(group_time listed) {
  return static_cast<int>(std::erase_if(
    requests_, [listed](const request& x) { return x.give_up <= listed; }));
}

void cloud_view::removal_asked(const instance_id& instance) {
  if (auto x = known_.find(instance); x != known_.end())
    x->second.removal_asked = true;
}

void cloud_view::forget(const instance_id& instance, bool comes_back) {
  if (known_.erase(instance) > 0)
    forgotten_[instance] = comes_back;
}

std::vector<observation>
cloud_view::reconcile(const std::vector<listed>& listing, group_time now,
                      group_time::duration absent_min) {
  std::vector<observation> result;
  std::set<instance_id> present;
  for (const auto& x : without_doubles(listing)) {
    present.insert(x.instance);
    see(x, now, result);
    if (is_over(x.state))
      forgotten_.erase(x.instance);
  }
  miss_absent(present, now - absent_min, result);
  std::erase_if(forgotten_, [&present](const auto& x) {
    return !present.contains(x.first);
  });
  has_listed_ = true;
  return result;
}

observation cloud_view::observe(observation::kind what,
                                const rows::value_type& x) const {
  observation result;
  result.what = what;
  result.instance = x.first;
  result.state = x.second.state;
  result.cause = x.second.cause;
  result.was_asked = x.second.removal_asked;
  result.missed = x.second.missed;
  result.since = x.second.since;
  result.last_seen = x.second.last_seen;
  return result;
}

void cloud_view::see(const listed& x, group_time now,
                     std::vector<observation>& seen) {
  auto at = known_.find(x.instance);
  if (at == known_.end()) {
    if (!is_over(x.state))
      discover(x, now, seen);
    return;
  }
  auto changed = at->second.state != x.state;
  at->second.state = x.state;
  at->second.missed = 0;
  at->second.last_seen = now;
  if (is_over(x.state)) {
    seen.push_back(observe(observation::kind::gone, *at));
    known_.erase(at);
  } else if (changed) {
    seen.push_back(observe(observation::kind::changed, *at));
  }
}

void cloud_view::discover(const listed& x, group_time now,
                          std::vector<observation>& seen) {
  row fresh;
  fresh.state = x.state;
  fresh.since = now;
  fresh.last_seen = now;
  fresh.cause = instance_cause::unexpected;
  auto requested = group_time{};
  if (!has_listed_) {
    fresh.cause = instance_cause::preexisted;
  } else if (!forgotten_.contains(x.instance) && !requests_.empty()) {
    fresh.cause = instance_cause::requested;
    requested = requests_.front().made;
    requests_.pop_front();
  }
  forgotten_.erase(x.instance);
  auto at = known_.emplace(x.instance, fresh).first;
  seen.push_back(observe(observation::kind::discovered, *at));
  seen.back().requested = requested;
}

void cloud_view::miss_absent(const std::set<instance_id>& present,
                             group_time seen_before,
                             std::vector<observation>& seen) {
  for (auto i = known_.begin(); i != known_.end();) {
    if (present.contains(i->first)) {
      ++i;
      continue;
    }
    auto& x = i->second;
    ++x.missed;
    auto expected = x.removal_asked || x.state == cloud_state::deleting;
    if (!expected && (x.missed < missed_max || x.last_seen > seen_before)) {
      seen.push_back(observe(observation::kind::missed, *i));
      ++i;
      continue;
    }
    x.state = expected ? cloud_state::deleted : cloud_state::timeout;
    seen.push_back(observe(observation::kind::gone, *i));
    i = known_.erase(i);
  }
}

int cloud_view::requests() const {
  auto back
    = std::ranges::count_if(forgotten_, [](const auto& x) { return x.second; });
  return static_cast<int>(requests_.size()) + static_cast<int>(back);
}

int cloud_view::accepted() const {
  return static_cast<int>(
    std::ranges::count(requests_, true, &request::answered));
}

int cloud_view::unconfirmed() const {
  return static_cast<int>(
    std::ranges::count_if(forgotten_, [](const auto& x) { return !x.second; }));
}

std::vector<group_time> cloud_view::requested_at() const {
  std::vector<group_time> result;
  result.reserve(requests_.size());
  for (const auto& x : requests_)
    result.push_back(x.made);
  return result;
}

int cloud_view::known() const {
  return static_cast<int>(known_.size());
}

bool cloud_view::has_listed() const {
  return has_listed_;
}

bool cloud_view::expects_change() const {
  return requests() > 0 || !has_listed_
         || std::ranges::any_of(known_, [](const auto& x) {
              return x.second.removal_asked || !is_lasting(x.second.state);
            });
}

bool cloud_view::expects_instance() const {
  return requests() > 0 || std::ranges::any_of(known_, [](const auto& x) {
           return !x.second.removal_asked
                  && (x.second.state == cloud_state::creating
                      || x.second.state == cloud_state::resuming);
         });
}

cloud_state cloud_view::state_of(const instance_id& instance) const {
  auto at = known_.find(instance);
  return at == known_.end() ? cloud_state::deleted : at->second.state;
}

} // namespace muster
