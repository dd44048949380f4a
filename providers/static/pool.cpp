#include "providers/static/pool.hpp"

#include <algorithm>
#include <tuple>

namespace muster::given {

namespace {

std::chrono::seconds pause_after(int failures) {
  constexpr int doublings_max = 10;
  return std::min(pool::pause_first
                    * (1 << std::clamp(failures - 1, 0, doublings_max)),
                  pool::pause_longest);
}

} // namespace

pool::pool(std::vector<std::string> hosts) {
  size_t place = 0;
  for (auto& host : hosts)
    hosts_[std::move(host)].place = place++;
}

std::vector<std::string> pool::restore(const std::vector<std::string>& hosts) {
  std::vector<std::string> unknown;
  for (const auto& host : hosts) {
    auto found = hosts_.find(host);
    if (found == hosts_.end())
      unknown.push_back(host);
    else
      found->second.used = true;
  }
  return unknown;
}

bool pool::is_used(const std::string& host) const {
  auto found = hosts_.find(host);
  return found != hosts_.end() && found->second.used;
}

std::vector<std::string> pool::used() const {
  std::map<size_t, std::string> in_order;
  for (const auto& [host, x] : hosts_)
    if (x.used)
      in_order.emplace(x.place, host);
  std::vector<std::string> out;
  for (auto& [place, host] : in_order)
    out.push_back(std::move(host));
  return out;
}

std::vector<std::string> pool::take(size_t count, time_point now) {
  std::vector<std::tuple<int, uint64_t, size_t, std::string>> free;
  for (const auto& [host, x] : hosts_)
    if (!x.used && x.not_before <= now)
      free.emplace_back(x.failures, x.freed, x.place, host);
  std::ranges::sort(free);
  free.resize(std::min(free.size(), count));
  std::vector<std::string> out;
  for (auto& x : free) {
    auto& host = std::get<3>(x);
    hosts_[host].used = true;
    out.push_back(std::move(host));
  }
  return out;
}

void pool::failed(const std::string& host) {
  auto found = hosts_.find(host);
  if (found != hosts_.end() && found->second.used)
    found->second.has_failed = true;
}

bool pool::put_back(const std::string& host, time_point now) {
  auto found = hosts_.find(host);
  if (found == hosts_.end() || !found->second.used)
    return false;
  auto& x = found->second;
  x.used = false;
  x.freed = ++frees_;
  x.failures = x.has_failed ? x.failures + 1 : 0;
  x.not_before = x.has_failed ? now + pause_after(x.failures) : time_point{};
  x.has_failed = false;
  return true;
}

pool::paused pool::pausing(time_point now) const {
  paused out;
  auto first = time_point::max();
  std::map<size_t, std::string> in_order;
  for (const auto& [host, x] : hosts_)
    if (!x.used && x.not_before > now) {
      in_order.emplace(x.place, host);
      first = std::min(first, x.not_before);
    }
  for (auto& [place, host] : in_order)
    out.hosts.push_back(std::move(host));
  if (!out.hosts.empty())
    out.first_in = std::chrono::ceil<std::chrono::milliseconds>(first - now);
  return out;
}

} // namespace muster::given
