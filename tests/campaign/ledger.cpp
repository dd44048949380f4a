#include "tests/campaign/ledger.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace muster::test {

using namespace muster::simulated;

ledger::ledger(simulation& of, promises_kept holds,
               std::function<void(const std::string&)> tells)
  : of_(of),
    holds_(holds),
    tells_(std::move(tells)) {
}

void ledger::breaks(const std::string& promise) {
  ++broken_;
  tells_("BROKEN " + promise);
}

bool ledger::is_there(const std::string& machine) {
  auto all = of_.all().machines.present(of_.clock().now());
  return std::ranges::find(all, machine) != all.end();
}

void ledger::increase_asked(int count) {
  tells_(fmt::format("{} more are asked for", count));
  if (!holds_.cloud_is_open || holds_.max_instances == 0)
    return;
  auto there = of_.all().machines.present(of_.clock().now()).size();
  if (static_cast<int>(there) + count > holds_.max_instances)
    breaks(fmt::format("{} machines are asked for beside {}, {} is the most",
                       count, there, holds_.max_instances));
}

void ledger::decrease_asked(const std::vector<std::string>& ids) {
  for (const auto& id : ids) {
    tells_(id + " is to go");
    for (const auto& [where, key] : holders_)
      if (where.first == id)
        breaks(fmt::format("{} is deleted under {}", id, key.value));
    if (!holds_.tells_of_making)
      users_.erase(id);
  }
}

void ledger::slot_given(size_t /*index*/, const acquisition_key& key,
                        const instance_id& instance, int32_t slot) {
  place where{instance.value, slot};
  tells_(fmt::format("{} gets {}/{}", key.value, where.first, slot));
  if (auto own = held_.find(key); own != held_.end() && own->second != where)
    breaks(fmt::format("{} has {}/{} and gets {}/{}", key.value,
                       own->second.first, own->second.second, where.first,
                       where.second));
  if (auto other = holders_.find(where);
      other != holders_.end() && other->second != key)
    breaks(fmt::format("{} gets {}/{}, which {} has", key.value, where.first,
                       where.second, other->second.value));
  for (const auto& [former, left] : unclean_)
    if (left == where && former != key)
      breaks(fmt::format("{} gets {}/{} beside what {} left", key.value,
                         where.first, where.second, former.value));
  held_[key] = where;
  holders_[where] = key;
  auto on_it = std::ranges::count_if(
    holders_, [&where](const auto& x) { return x.first.first == where.first; });
  if (on_it > holds_.capacity)
    breaks(fmt::format("{} has {} jobs, {} is the most", where.first, on_it,
                       holds_.capacity));
  auto& users = users_[where.first];
  users.insert(key);
  if (holds_.max_use_count > 0
      && static_cast<int>(users.size()) > holds_.max_use_count)
    breaks(fmt::format("{} is used {} times, {} is the most", where.first,
                       users.size(), holds_.max_use_count));
}

void ledger::slot_left(const acquisition_key& key) {
  tells_(key.value + " leaves");
  auto own = held_.find(key);
  if (own == held_.end())
    return;
  if (is_there(own->second.first))
    unclean_[key] = own->second;
  holders_.erase(own->second);
  held_.erase(own);
}

void ledger::slot_cleaned(const acquisition_key& key, bool clean) {
  tells_(key.value + (clean ? " is cleaned" : " cannot be cleaned"));
  if (clean)
    unclean_.erase(key);
}

void ledger::machine_lost(const std::string& id) {
  std::erase_if(unclean_,
                [&id](const auto& x) { return x.second.first == id; });
}

void ledger::look() {
  if (!holds_.machines_stay)
    return;
  for (const auto& x : of_.all().courses)
    if (x.fate == job_fate::lost && !std::exchange(told_lost_, true))
      breaks("a job lost its machine, and none has gone");
}

} // namespace muster::test
