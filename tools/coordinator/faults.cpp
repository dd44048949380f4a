#include "tools/coordinator/faults.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace muster::gitlab {

namespace {

constexpr std::array endpoints{
  std::pair{endpoint::request, std::string_view{"request"}},
  std::pair{endpoint::update, std::string_view{"update"}},
  std::pair{endpoint::trace, std::string_view{"trace"}},
  std::pair{endpoint::verify, std::string_view{"verify"}},
  std::pair{endpoint::unregister, std::string_view{"unregister"}},
  std::pair{endpoint::reset_token, std::string_view{"reset_token"}},
  std::pair{endpoint::git, std::string_view{"git"}},
  std::pair{endpoint::upload, std::string_view{"upload"}},
  std::pair{endpoint::download, std::string_view{"download"}},
  std::pair{endpoint::storage, std::string_view{"storage"}},
  std::pair{endpoint::other, std::string_view{"other"}},
};

constexpr std::array kinds{
  std::pair{fault_kind::latency, std::string_view{"latency"}},
  std::pair{fault_kind::status, std::string_view{"status"}},
  std::pair{fault_kind::garbage, std::string_view{"garbage"}},
  std::pair{fault_kind::half, std::string_view{"half"}},
  std::pair{fault_kind::empty, std::string_view{"empty"}},
  std::pair{fault_kind::reset, std::string_view{"reset"}},
  std::pair{fault_kind::close, std::string_view{"close"}},
  std::pair{fault_kind::lost, std::string_view{"lost"}},
  std::pair{fault_kind::interval, std::string_view{"interval"}},
};

template <class Table, class Value>
std::string_view name_in(const Table& table, Value x) {
  for (const auto& [value, name] : table)
    if (value == x)
      return name;
  return "unknown";
}

bool matches(const fault& rule, const fault_subject& what, int64_t at_us) {
  if (rule.count == 0 || (rule.expires_us != 0 && at_us >= rule.expires_us))
    return false;
  if (rule.at && *rule.at != what.at)
    return false;
  if (rule.job != 0 && rule.job != what.job)
    return false;
  if (rule.state.empty())
    return true;
  bool is_running = what.state == "running";
  return what.at == endpoint::update && (rule.state == "running") == is_running;
}

} // namespace

std::string_view to_string(endpoint x) {
  return name_in(endpoints, x);
}

std::string_view to_string(fault_kind x) {
  return name_in(kinds, x);
}

std::optional<fault_kind> fault_kind_of(std::string_view word) {
  for (const auto& [value, name] : kinds)
    if (name == word)
      return value;
  return std::nullopt;
}

std::optional<endpoint> endpoint_of(std::string_view word) {
  for (const auto& [value, name] : endpoints)
    if (name == word)
      return value;
  return std::nullopt;
}

int64_t fault_list::add(fault rule) {
  std::lock_guard guard{mutex_};
  rule.id = ++last_id_;
  rule.hits = 0;
  auto seed = rule.seed;
  entries_.push_back({std::move(rule), std::mt19937_64{seed}});
  return last_id_;
}

fault_effect fault_list::decide(const fault_subject& what, int64_t at_us) {
  fault_effect result;
  std::lock_guard guard{mutex_};
  for (auto& [rule, dice] : entries_) {
    bool is_latency = rule.kind == fault_kind::latency;
    if (!matches(rule, what, at_us) || (result.other && !is_latency))
      continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (std::uniform_real_distribution<double>{}(dice) >= rule.probability)
      continue;
    if (rule.count > 0)
      --rule.count;
    ++rule.hits;
    if (is_latency)
      result.latency += rule.latency;
    else
      result.other = rule;
  }
  return result;
}

void fault_list::take_back(int64_t id) {
  std::lock_guard guard{mutex_};
  for (auto& x : entries_) {
    if (x.rule.id != id)
      continue;
    --x.rule.hits;
    if (x.rule.count >= 0)
      ++x.rule.count;
  }
}

std::vector<fault> fault_list::list() const {
  std::lock_guard guard{mutex_};
  std::vector<fault> result;
  for (const auto& x : entries_)
    result.push_back(x.rule);
  return result;
}

size_t fault_list::remove(int64_t id) {
  std::lock_guard guard{mutex_};
  return std::erase_if(
    entries_, [id](const entry& x) { return id == 0 || x.rule.id == id; });
}

} // namespace muster::gitlab
