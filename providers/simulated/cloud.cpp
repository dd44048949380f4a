#include "providers/simulated/cloud.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace muster::simulated {

namespace {

using namespace std::chrono_literals;

constexpr auto overdue_most = 15min;
constexpr int unexpected_most = 5; ///< machines, in all

uint64_t number_of(const std::string& id) {
  uint64_t out = 0;
  std::from_chars(id.data() + 2, id.data() + id.size(), out);
  return out;
}

} // namespace

cloud::cloud(const cloud_options& options, uint64_t seed)
  : options_(options),
    chance_(seed) {
}

bool cloud::happens(double share) {
  return share > 0 && std::uniform_real_distribution<>{0, 1}(chance_) < share;
}

cloud::machine& cloud::make(cloud_time now) {
  // Numbers of one width: sorted by name they are sorted by age.
  auto& x = machines_[fmt::format("i-{:07}", ++made_)];
  x.life = {now, now + options_.boot.draw(chance_), far};
  x.listed_from = now;
  return x;
}

int cloud::increase(int count, cloud_time now) {
  sweep(now);
  const auto& faults = options_.faults;
  if (count <= 0 || happens(faults.refused))
    return 0;
  auto room = std::max<int64_t>(0, options_.max_size
                                     - static_cast<int64_t>(machines_.size()));
  auto accepted = static_cast<int>(std::min<int64_t>(count, room));
  if (accepted > 0 && happens(faults.fewer))
    accepted = std::uniform_int_distribution<>{0, accepted - 1}(chance_);
  for (int i = 0; i < accepted; ++i) {
    if (happens(faults.undelivered))
      continue;
    auto& x = make(now);
    if (happens(faults.overdue)) {
      std::uniform_int_distribution<int64_t> seconds{
        1, std::chrono::seconds{overdue_most}.count()};
      x.listed_from += std::chrono::seconds{seconds(chance_)};
      x.life.runs += x.listed_from - now;
    }
    if (happens(faults.stuck))
      x.life.runs = far;
  }
  return accepted;
}

std::vector<std::string> cloud::decrease(const std::vector<std::string>& ids,
                                         cloud_time now) {
  sweep(now);
  std::vector<std::string> out;
  for (const auto& id : ids) {
    if (happens(options_.faults.refused))
      continue;
    out.push_back(id);
    auto found = machines_.find(id);
    if (found != machines_.end() && found->second.life.gone == far)
      found->second.life.gone = now + options_.removal;
  }
  return out;
}

void cloud::list_one(const std::string& id, const machine& x, cloud_time now,
                     std::vector<listed_machine>& into) {
  const auto& faults = options_.faults;
  if (now < x.listed_from || happens(faults.left_out))
    return;
  auto state = x.life.gone != far   ? machine_state::deleting
               : now >= x.life.runs ? machine_state::running
                                    : machine_state::creating;
  if (happens(faults.repeated))
    into.push_back(
      {id, happens(0.5) ? machine_state::creating : machine_state::deleting});
  if (state == machine_state::running && happens(faults.goes_back))
    state = machine_state::creating;
  into.push_back({id, state});
}

bool cloud::list(cloud_time now, std::vector<listed_machine>& into) {
  sweep(now);
  if (happens(options_.faults.failing))
    return false;
  if (unexpected_ < unexpected_most && happens(options_.faults.unexpected)) {
    ++unexpected_;
    make(now);
  }
  for (const auto& [id, x] : machines_)
    list_one(id, x, now, into);
  return true;
}

bool cloud::is_alive(const std::string& id, cloud_time now) const {
  auto found = machines_.find(id);
  return found != machines_.end() && now >= found->second.life.runs
         && now < found->second.life.gone;
}

void cloud::lose(const std::string& id, cloud_time now) {
  auto found = machines_.find(id);
  if (found == machines_.end())
    return;
  found->second.life.gone = std::min(found->second.life.gone, now);
  sweep(now);
}

std::vector<std::string> cloud::present(cloud_time now) const {
  std::vector<std::string> out;
  for (const auto& [id, x] : machines_)
    if (now < x.life.gone)
      out.push_back(id);
  return out;
}

std::vector<machine_life> cloud::lives() const {
  auto all = ended_;
  for (const auto& [id, x] : machines_)
    all[number_of(id)] = x.life;
  std::vector<machine_life> out;
  out.reserve(all.size());
  for (const auto& row : all)
    out.push_back(row.second);
  return out;
}

void cloud::sweep(cloud_time now) {
  for (auto row = machines_.begin(); row != machines_.end();) {
    if (now < row->second.life.gone) {
      ++row;
      continue;
    }
    ended_[number_of(row->first)] = row->second.life;
    row = machines_.erase(row);
  }
}

} // namespace muster::simulated
