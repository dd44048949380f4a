#include "actors/group/reservations.hpp"

#include <algorithm>
#include <iterator>

namespace muster {

free_capacity capacity_left(const slot_room& room, int reserved) {
  free_capacity result;
  result.available = std::max<int64_t>(0, int64_t{room.idle} - reserved);
  result.potential = free_capacity::unbounded;
  if (room.max_instances > 0) {
    auto all = int64_t{room.max_instances} * room.capacity_per_instance;
    result.potential
      = std::max<int64_t>(0, all - room.acquired - room.unavailable - reserved);
  }
  if (room.growth_max < INT32_MAX)
    result.potential = std::min(
      result.potential,
      std::max<int64_t>(0, int64_t{room.idle} + room.growth_max - reserved));
  return result;
}

result<void, capacity_errc> reservations::reserve(const acquisition_key& key,
                                                  const slot_room& room,
                                                  int idle_count,
                                                  bool preemptive) {
  if (rows_.contains(key))
    return {};
  auto left = capacity_left(room, reserved());
  if (left.available <= 0 && left.potential <= 0)
    return fail(capacity_errc::no_capacity,
                "no capacity: no immediately available or potential capacity");
  if (preemptive && idle_count > 0 && left.available <= 0)
    return fail(capacity_errc::no_capacity,
                "no capacity: no immediately available capacity");
  rows_.emplace(key, reservation{});
  return {};
}

bool reservations::unreserve(const acquisition_key& key) {
  auto found = rows_.find(key);
  if (found == rows_.end())
    return false;
  auto served = found->second.served;
  line_.erase(found->second.place);
  rows_.erase(found);
  serving_ -= served ? 1 : 0;
  return served;
}

result<void, capacity_errc> reservations::wait(const acquisition_key& key,
                                               group_time now,
                                               group_time deadline) {
  auto found = rows_.find(key);
  if (found == rows_.end())
    return fail(capacity_errc::reservation_not_found, "reservation not found");
  auto& x = found->second;
  x.deadline = deadline;
  if (x.place != 0)
    return {};
  x.place = next_ticket_++;
  x.since = now;
  line_.emplace(x.place, key);
  return {};
}

std::optional<acquisition_key> reservations::head() const {
  if (line_.empty())
    return std::nullopt;
  return line_.begin()->second;
}

void reservations::serve(const acquisition_key& key) {
  auto found = rows_.find(key);
  if (found == rows_.end() || line_.erase(found->second.place) == 0)
    return;
  found->second.served = true;
  ++serving_;
}

bool reservations::confirm(const acquisition_key& key) {
  auto found = rows_.find(key);
  if (found == rows_.end() || !found->second.served)
    return false;
  rows_.erase(found);
  --serving_;
  return true;
}

bool reservations::refused(const acquisition_key& key) {
  auto found = rows_.find(key);
  if (found == rows_.end() || !found->second.served)
    return false;
  found->second.served = false;
  --serving_;
  line_.emplace(found->second.place, key);
  return true;
}

std::vector<acquisition_key> reservations::expire(group_time now) {
  std::vector<acquisition_key> result;
  for (auto i = line_.begin(); i != line_.end();) {
    auto& x = rows_.at(i->second);
    if (x.deadline > now) {
      ++i;
      continue;
    }
    result.push_back(i->second);
    x = reservation{};
    i = line_.erase(i);
  }
  return result;
}

group_time reservations::next_deadline() const {
  auto result = never;
  for (const auto& [place, key] : line_)
    result = std::min(result, rows_.at(key).deadline);
  return result;
}

std::optional<size_t> reservations::position(const acquisition_key& key) const {
  auto found = rows_.find(key);
  if (found == rows_.end())
    return std::nullopt;
  auto place = line_.find(found->second.place);
  if (place == line_.end())
    return std::nullopt;
  return 1 + static_cast<size_t>(std::distance(line_.begin(), place));
}

std::optional<group_time>
reservations::waiting_since(const acquisition_key& key) const {
  if (!position(key))
    return std::nullopt;
  return rows_.at(key).since;
}

int reservations::pending() const {
  return static_cast<int>(line_.size());
}

int reservations::reserved() const {
  return static_cast<int>(rows_.size()) - serving_;
}

int reservations::serving() const {
  return serving_;
}

} // namespace muster
