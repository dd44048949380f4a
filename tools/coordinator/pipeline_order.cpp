#include "tools/coordinator/pipeline_order.hpp"

#include <array>
#include <utility>

namespace muster::gitlab {

namespace {

constexpr std::array states{
  std::pair{job_state::created, std::string_view{"created"}},
  std::pair{job_state::pending, std::string_view{"pending"}},
  std::pair{job_state::running, std::string_view{"running"}},
  std::pair{job_state::canceling, std::string_view{"canceling"}},
  std::pair{job_state::success, std::string_view{"success"}},
  std::pair{job_state::failed, std::string_view{"failed"}},
  std::pair{job_state::canceled, std::string_view{"canceled"}},
  std::pair{job_state::skipped, std::string_view{"skipped"}},
  std::pair{job_state::manual, std::string_view{"manual"}},
};

/// How the jobs that one waits for ended.
struct outcome {
  bool all_ended = true;
  bool any_failed = false;
  bool any_skipped = false;
  bool any_manual = false;
  bool any_blocks = false;
};

void count(outcome& sum, const order_node& x) {
  sum.all_ended &= ended(x.state);
  sum.any_failed |= (x.state == job_state::failed && !x.failure_allowed)
                    || x.state == job_state::canceled;
  sum.any_skipped |= x.state == job_state::skipped;
  sum.any_manual |= x.state == job_state::manual;
  sum.any_blocks |= x.state == job_state::manual && x.blocks;
}

outcome before(const std::vector<order_node>& jobs, const order_node& x) {
  outcome result;
  if (x.has_needs) {
    for (auto index : x.needs)
      count(result, jobs[index]);
    result.any_blocks = result.any_manual;
    return result;
  }
  for (const auto& other : jobs)
    if (other.stage < x.stage)
      count(result, other);
  result.any_skipped = false; // of earlier stages only failures matter
  return result;
}

job_state next(const order_node& x, const outcome& past) {
  if (x.when == run_when::never)
    return job_state::skipped;
  if (!past.all_ended)
    return job_state::created;
  if (past.any_blocks)
    return job_state::skipped;
  if (x.when == run_when::always)
    return job_state::pending;
  if (x.when == run_when::on_failure)
    return past.any_failed ? job_state::pending : job_state::skipped;
  if (past.any_failed || past.any_skipped)
    return job_state::skipped;
  return x.when == run_when::manual ? job_state::manual : job_state::pending;
}

} // namespace

std::string_view to_string(job_state x) {
  for (const auto& [value, name] : states)
    if (value == x)
      return name;
  return "unknown";
}

std::optional<job_state> job_state_of(std::string_view word) {
  for (const auto& [value, name] : states)
    if (name == word)
      return value;
  return std::nullopt;
}

bool ended(job_state x) {
  return x >= job_state::success;
}

std::vector<size_t> advance(std::vector<order_node>& jobs) {
  std::vector<size_t> started;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (jobs[i].state != job_state::created)
        continue;
      auto state = next(jobs[i], before(jobs, jobs[i]));
      if (state == job_state::created)
        continue;
      jobs[i].state = state;
      changed = true;
      if (state == job_state::pending)
        started.push_back(i);
    }
  }
  return started;
}

} // namespace muster::gitlab
