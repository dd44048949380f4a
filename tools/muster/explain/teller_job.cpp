#include "messages/errors.hpp"
#include "tools/muster/explain/teller.hpp"

#include <algorithm>
#include <fmt/format.h>

// The part of a story that is about one job.

namespace muster::explain {

namespace {

void add(job_story& x, wait_part part, int64_t from, int64_t to) {
  if (to > from)
    x.waited_us.at(static_cast<size_t>(part)) += to - from;
}

std::string outcome_text(const plan_ended& x) {
  if (x.outcome == plan_outcome::success)
    return "its scripts have ended well";
  auto out = fmt::format("its scripts have ended in stage {}, exit code {}",
                         x.stage.empty() ? "-" : x.stage, x.exit_code);
  return x.text.empty() ? out : out + ": " + x.text;
}

} // namespace

job_story* teller::job_of(const acquisition_key& key) {
  auto found = jobs_.find(key.value);
  return found == jobs_.end() ? nullptr : &found->second;
}

job_story* teller::job_in(const std::string& role) {
  auto key = job_roles_.find(role);
  return key == job_roles_.end() ? nullptr
                                 : job_of(acquisition_key{key->second});
}

job_story* teller::add_job(const acquisition_key& key, int64_t job,
                           std::string_view runner) {
  if (filter_.job && job != *filter_.job)
    return nullptr;
  job_roles_[fmt::format("{}/job:{}", runner, job)] = key.value;
  auto [row, is_new] = jobs_.try_emplace(key.value);
  if (is_new) {
    row->second.job = job;
    row->second.runner = runner;
    row->second.key = key.value;
    forget_old_jobs();
    row = jobs_.find(key.value);
  }
  return &row->second;
}

/// Of those that have ended the oldest go.
void teller::forget_old_jobs() {
  if (jobs_.size() <= kept)
    return;
  auto end_of = [](const auto& row) {
    return row.second.ended ? row.second.ended->us : INT64_MAX;
  };
  // A tenth at once, so that it costs little.
  std::vector<std::pair<int64_t, std::string>> ends;
  for (const auto& row : jobs_)
    ends.emplace_back(end_of(row), row.first);
  auto some = ends.begin() + static_cast<ptrdiff_t>(kept / 10);
  std::nth_element(ends.begin(), some, ends.end());
  for (auto x = ends.begin(); x != some; ++x)
    if (x->first != INT64_MAX) {
      const auto& old = jobs_.at(x->second);
      job_roles_.erase(fmt::format("{}/job:{}", old.runner, old.job));
      jobs_.erase(x->second);
      ++report_.left_out;
    }
}

bool teller::take_job(const record& x, const place& to, const stamp& at) {
  if (const auto* ask = get<acquire>(x.what)) {
    auto* job = job_of(ask->key);
    if (job == nullptr)
      return true;
    if (!job->acquire) {
      job->acquire = at;
      if (job->offered)
        add(*job, wait_part::journal, job->offered->us, at.us);
    }
    if (ask->renewed)
      job->told.add(at, "its group has failed and was started again: it asks "
                        "the new one for a slot");
    auto by = runners_.find(to.runner);
    if (by != runners_.end() && !by->second.held_back.empty())
      job->because.at(static_cast<size_t>(wait_part::growth))
        = by->second.held_back;
    return true;
  }
  if (to.what != place::kind::job)
    return false;
  if (const auto* slot = get<acquired>(x.what)) {
    if (auto* job = job_of(slot->key))
      take_slot(at, *job, *slot);
    return true;
  }
  if (const auto* wait = get<acquire_waits>(x.what)) {
    if (auto* job = job_of(wait->key))
      job->told.add(at, wait->text);
    return true;
  }
  if (const auto* route = get<stream_route>(x.what)) {
    auto* job = job_of(route->key);
    if (job == nullptr)
      return true;
    if (route->why) {
      job->told.add(at, "no way to its instance: " + text_of(route->why));
    } else if (!job->routed && job->acquired) {
      job->routed = at;
      add(*job, wait_part::route, job->acquired->us, at.us);
    }
    return true;
  }
  // What follows has no key in it.
  if (get<plan_accepted>(x.what) != nullptr) {
    if (auto* job = job_in(x.to.role))
      take_begin(at, *job);
  } else if (const auto* end = get<plan_ended>(x.what)) {
    if (auto* job = job_in(x.to.role)) {
      job->script_ended = at;
      job->told.add(at, outcome_text(*end));
    }
  } else if (const auto* lost = get<stream_lost>(x.what)) {
    if (auto* job = job_in(x.to.role))
      job->told.add(at, "the connection to its instance broke: "
                          + text_of(lost->why));
  } else if (const auto* cancel = get<cancel_job>(x.what)) {
    if (auto* job = job_in(x.to.role))
      job->told.add(at, cancel->reason == cancel_reason::canceled
                          ? "cancelled in GitLab"
                          : "interrupted: muster was told to stop");
  } else {
    return false;
  }
  return true;
}

void teller::take_slot(const stamp& at, job_story& x, const acquired& what) {
  if (what.why) {
    x.told.add(at, "it got no slot: " + text_of(what.why));
    if (x.acquire && !x.acquired)
      add(x, wait_part::queue, x.acquire->us, at.us);
    return;
  }
  x.instance = what.instance.value;
  x.slot = what.slot;
  if (x.acquired) // a claim: it had one already
    return;
  x.acquired = at;
  auto where = instances_.find({x.runner, x.instance});
  split_slot_wait(x, where == instances_.end() ? nullptr : &where->second);
  x.told.add(at, fmt::format("it got slot {} of {}", x.slot, x.instance));
}

/// What its instance was doing meanwhile is what it waited for.
void teller::split_slot_wait(job_story& x, const instance_story* where) {
  if (!x.acquire)
    return;
  auto from = x.acquire->us;
  auto to = x.acquired->us;
  if (where == nullptr || !where->ready || where->ready->us <= from) {
    add(x, wait_part::queue, from, to);
    return;
  }
  auto put = [&](wait_part part, int64_t until) {
    until = std::clamp(until, from, to);
    add(x, part, from, until);
    from = until;
  };
  auto us = [](const std::optional<stamp>& mark, int64_t otherwise) {
    return mark ? mark->us : otherwise;
  };
  auto ready = where->ready->us;
  auto dialed = us(where->dialed, ready);
  auto running = us(where->running, dialed);
  auto asked = us(where->asked, us(where->listed, running));
  put(wait_part::growth, asked);
  put(wait_part::boot, running);
  put(wait_part::dial, dialed);
  put(wait_part::ready_command, ready);
  put(wait_part::queue, to);
  if (!where->made_because.empty())
    x.because.at(static_cast<size_t>(wait_part::boot))
      = fmt::format("{} was made, since {}", where->id, where->made_because);
}

void teller::take_begin(const stamp& at, job_story& x) {
  if (x.began || x.is_taken_over)
    return;
  x.began = at;
  if (x.routed)
    add(x, wait_part::start, x.routed->us, at.us);
  x.told.add(at, "its plan is with the helper: scripts begin");
  if (!is_recent(at) || !wants_group(x.runner))
    return;
  ++report_.jobs_begun;
  for (size_t i = 0; i < wait_parts; ++i)
    report_.waited_us.at(i) += x.waited_us.at(i);
}

} // namespace muster::explain
