#include "tools/muster/explain/teller.hpp"

#include <fmt/format.h>

// The part of a story that is about how a runner comes to its jobs.

namespace muster::explain {

void teller::hunts(const stamp& at, runner_view& x) {
  auto what = hunt::pausing;
  if (!x.asking.empty())
    what = hunt::asking;
  else if (x.refused)
    what = hunt::promise;
  else if (x.permits_wanted > 0)
    what = hunt::permit;
  x.hunt_for_jobs.set(at.us, what);
}

void teller::take_permit_request(const stamp& at, const runner_id& runner) {
  auto& x = runners_["runner:" + runner.value];
  ++x.permits_wanted;
  hunts(at, x);
}

bool teller::take_hunt(const record& x, const place& to, const stamp& at) {
  if (to.what == place::kind::manager) {
    if (const auto* request = get<permit_request>(x.what)) {
      take_permit_request(at, request->runner);
      return true;
    }
    if (const auto* back = get<permit_back>(x.what)) {
      auto& by = runners_["runner:" + back->runner.value];
      // It may be a request that is taken back.
      auto& one = by.permits_held > 0 ? by.permits_held : by.permits_wanted;
      one = one > 0 ? one - 1 : 0;
      hunts(at, by);
      return true;
    }
    return false;
  }
  if (to.what == place::kind::coordinator) {
    const auto* request = get<request_job>(x.what);
    if (request == nullptr)
      return false;
    auto& by = runners_[std::string{to.runner}];
    by.asking.insert(request->key.value);
    hunts(at, by);
    return true;
  }
  if (to.what != place::kind::runner)
    return false;
  auto& by = runners_[std::string{to.runner}];
  if (get<permit>(x.what) != nullptr) {
    by.permits_wanted = by.permits_wanted > 0 ? by.permits_wanted - 1 : 0;
    ++by.permits_held;
  } else if (const auto* promise = get<reserved>(x.what)) {
    by.refused = static_cast<bool>(promise->why);
  } else if (const auto* offer = get<job_offer>(x.what)) {
    take_offer(at, to, *offer);
  } else if (const auto* left = get<left_jobs>(x.what)) {
    take_left(at, to, *left);
  } else if (const auto* group = get<group_ready>(x.what)) {
    report_.groups[std::string{to.runner}] = group->group;
  } else if (const auto* end = get<job_ended>(x.what)) {
    if (auto* job = job_of(end->key)) {
      job->ended = at;
      job->success = end->success;
      job->failure = end->failure_reason;
    }
  } else {
    return false;
  }
  hunts(at, by);
  return true;
}

void teller::take_offer(const stamp& at, const place& to, const job_offer& x) {
  auto& by = runners_[std::string{to.runner}];
  if (!x.info.text.empty())
    problem(at, to.runner, "GitLab, asked for a job: " + x.info.text);
  for (const auto& payload : x.jobs) {
    auto* job = add_job(x.key, payload.id, to.runner);
    if (job == nullptr)
      continue;
    job->offered = at;
    job->queued_s = payload.queue.waited_s;
    explain_queue(*job);
  }
  by.asking.erase(x.key.value);
}

void teller::explain_queue(job_story& x) {
  if (x.queued_s < 0)
    return;
  auto& by = runners_[x.runner];
  auto to = x.offered->us;
  auto from = to - static_cast<int64_t>(x.queued_s * 1e6);
  auto shares = by.hunt_for_jobs.between(from, to);
  auto put = [&x](wait_part part, int64_t us) {
    x.waited_us.at(static_cast<size_t>(part)) += us;
  };
  put(wait_part::unknown, shares.unknown_us);
  put(wait_part::pause, shares.us.at(static_cast<size_t>(hunt::pausing)));
  put(wait_part::permit, shares.us.at(static_cast<size_t>(hunt::permit)));
  put(wait_part::reservation, shares.us.at(static_cast<size_t>(hunt::promise)));
  put(wait_part::gitlab, shares.us.at(static_cast<size_t>(hunt::asking)));
  x.because.at(static_cast<size_t>(wait_part::reservation)) = by.refusal;
}

/// Jobs that an earlier manager had.
void teller::take_left(const stamp& at, const place& to, const left_jobs& x) {
  for (const auto& left : x.jobs) {
    auto* job = job_of(left.key);
    if (job == nullptr)
      job = add_job(left.key, left.payload.id, to.runner);
    if (job == nullptr)
      continue;
    job->is_taken_over = true;
    job->told.add(at, "taken over from an earlier run of muster");
    if (left.at == left_phase::started) {
      job->instance = left.instance.value;
      job->slot = left.slot;
    }
  }
}

} // namespace muster::explain
