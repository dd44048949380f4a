#include "tools/muster/simulate/recorded_history.hpp"

#include "messages/coordinator.hpp"
#include "messages/group.hpp"
#include "messages/runner.hpp"

#include <algorithm>

namespace muster::simulate {

namespace {

template <class Message>
const Message* get(const record& x) {
  return x.what.match_elements<Message>() ? &x.what.get_as<Message>(0)
                                          : nullptr;
}

history_time time_of(int64_t unix_us) {
  return std::chrono::floor<std::chrono::milliseconds>(
    std::chrono::sys_time<std::chrono::microseconds>{
      std::chrono::microseconds{unix_us}});
}

} // namespace

/// One that is in no configuration that can be read is taken.
bool recorded_history::is_ours(const std::string& role) const {
  auto found = known_.find(role.substr(role.find(':') + 1));
  return found == known_.end() || found->second->name == runner_;
}

void recorded_history::take(const record& x) {
  if (const auto* config = get<config_in_force>(x)) {
    known_ = read_recorded(*config, known_).runners;
    for (const auto& row : known_)
      names_.insert(row.second->name);
    return;
  }
  if (x.kind != record_kind::handled)
    return;
  if (const auto* offer = get<job_offer>(x)) {
    if (!is_ours(x.to.role))
      return;
    for (const auto& job : offer->jobs) {
      auto waited = std::max(job.queue.waited_s, 0.0);
      jobs_[offer->key.value]
        = {x.unix_us - static_cast<int64_t>(waited * 1e6)};
    }
  } else if (const auto* slot = get<acquired>(x)) {
    auto job = jobs_.find(slot->key.value);
    if (job != jobs_.end() && !slot->why && job->second.began_us == 0)
      job->second.began_us = x.unix_us;
  } else if (const auto* end = get<job_ended>(x)) {
    if (auto job = jobs_.find(end->key.value); job != jobs_.end())
      job->second.ended_us = x.unix_us;
  }
}

history recorded_history::finish() const {
  history out;
  for (const auto& [key, x] : jobs_) {
    if (x.began_us == 0 || x.ended_us < x.began_us) {
      ++out.not_run;
      continue;
    }
    out.jobs.push_back(
      {time_of(x.queued_us), time_of(x.ended_us) - time_of(x.began_us)});
  }
  std::ranges::stable_sort(out.jobs, {}, &past_job::queued);
  return out;
}

} // namespace muster::simulate
