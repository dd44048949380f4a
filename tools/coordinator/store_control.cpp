#include "tools/coordinator/store.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <random>

namespace muster::gitlab {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool failure_allowed(const job_template& what, int exit_code) {
  const auto& codes = what.allow_failure_codes;
  return what.allow_failure
         || std::find(codes.begin(), codes.end(), exit_code) != codes.end();
}

bool contains(const auto& list, const auto& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// Whether a job that failed so is run again by its policy.
bool retries(const retry_policy& policy, const job_view& x) {
  auto reason = x.failure_reason.empty() ? "script_failure" : x.failure_reason;
  bool by_reason = policy.when.empty() ? policy.exit_codes.empty()
                                       : contains(policy.when, reason);
  return by_reason || contains(policy.exit_codes, x.exit_code);
}

std::string pipeline_state(const std::vector<order_node>& jobs) {
  bool failed = false;
  bool was_canceled = false;
  bool waits = false;
  for (const auto& x : jobs) {
    if (!ended(x.state))
      return "running";
    waits |= x.state == job_state::manual && x.blocks;
    failed |= x.state == job_state::failed && !x.failure_allowed;
    was_canceled |= x.state == job_state::canceled;
  }
  return failed         ? "failed"
         : was_canceled ? "canceled"
         : waits        ? "manual"
                        : "success";
}

} // namespace

bool as_expected(const job_view& x) {
  auto state = std::string{to_string(x.state)};
  auto colon = x.expect.find(':');
  if (colon == std::string::npos)
    return state == x.expect;
  return state == x.expect.substr(0, colon)
         && std::to_string(x.exit_code) == x.expect.substr(colon + 1);
}

store::record* store::find(int64_t id) {
  auto at = jobs_.find(id);
  return at == jobs_.end() ? nullptr : &at->second;
}

const store::record* store::find(int64_t id) const {
  auto at = jobs_.find(id);
  return at == jobs_.end() ? nullptr : &at->second;
}

job_view store::view_of(const record& x, bool with_arrivals) const {
  auto result = x.view;
  result.trace_size = x.log.size();
  result.trace_crc = x.log.crc();
  result.failure_allowed = x.view.state == job_state::failed
                           && failure_allowed(*x.view.what, x.view.exit_code);
  if (with_arrivals)
    result.arrivals = x.log.arrivals();
  return result;
}

std::string store::fresh_token(std::string_view prefix) {
  static constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
  static thread_local std::mt19937_64 dice{std::random_device{}()};
  std::string result{prefix};
  for (int i = 0; i < 20; ++i)
    result += digits[dice() % digits.size()];
  return result;
}

bool store::knows_runner(const std::string& token) const {
  std::lock_guard guard{mutex_};
  return std::find(runner_tokens_.begin(), runner_tokens_.end(), token)
         != runner_tokens_.end();
}

std::optional<std::string>
store::rotate_runner_token(const std::string& token) {
  std::lock_guard guard{mutex_};
  auto at = std::find(runner_tokens_.begin(), runner_tokens_.end(), token);
  if (at == runner_tokens_.end())
    return std::nullopt;
  *at = fresh_token("glrt-");
  return *at;
}

std::string store::rotate_first_runner_token() {
  std::lock_guard guard{mutex_};
  return runner_tokens_.front() = fresh_token("glrt-");
}

std::string store::add_runner_token() {
  std::lock_guard guard{mutex_};
  return runner_tokens_.emplace_back(fresh_token(""));
}

void store::drop_runner_token(const std::string& token) {
  std::lock_guard guard{mutex_};
  std::erase(runner_tokens_, token);
}

std::optional<job_view> store::running_with(const std::string& token) const {
  std::lock_guard guard{mutex_};
  auto at = by_token_.find(token);
  if (at == by_token_.end())
    return std::nullopt;
  const auto* x = find(at->second);
  if (x == nullptr || x->view.handed_out_us == 0)
    return std::nullopt;
  return view_of(*x, false);
}

int64_t store::add_job(std::shared_ptr<const job_template> what,
                       int64_t pipeline, job_state state) {
  auto id = ++last_job_;
  auto& x = jobs_[id];
  x.log = trace_log{options_.trace_keep_per_job};
  x.view.id = id;
  x.view.pipeline = pipeline;
  x.view.name = what->name;
  x.view.stage = what->stage;
  x.view.project = what->project;
  x.view.expect = what->expect;
  x.view.allow_failure = what->allow_failure;
  x.view.state = state;
  x.view.token
    = what->job_token.empty() ? fresh_token("glcbt-") : what->job_token;
  x.view.what = std::move(what);
  by_token_[x.view.token] = id;
  if (state == job_state::pending)
    queue(x);
  return id;
}

void store::queue(record& x) {
  x.view.state = job_state::pending;
  x.view.queued_us = now_us();
  queue_.push_back(x.view.id);
  ++queue_version_;
  queue_changed_.notify_all();
  changed();
}

std::string store::cursor() const {
  return fmt::format("{:032x}", queue_version_);
}

std::vector<int64_t> store::enqueue(std::shared_ptr<const job_template> what,
                                    size_t copies) {
  std::lock_guard guard{mutex_};
  std::vector<int64_t> ids;
  if (copies > options_.jobs_max - std::min(options_.jobs_max, jobs_.size()))
    return ids;
  for (size_t i = 0; i < copies; ++i)
    ids.push_back(add_job(what, 0, job_state::pending));
  return ids;
}

int64_t store::start_pipeline(std::string name,
                              std::vector<pipeline_job> jobs) {
  std::lock_guard guard{mutex_};
  if (jobs_.size() + jobs.size() > options_.jobs_max)
    return 0;
  auto id = ++last_pipeline_;
  auto first = last_job_ + 1;
  auto& x = pipelines_[id];
  x.view.id = id;
  x.view.name = std::move(name);
  x.view.created_us = now_us();
  for (auto& job : jobs) {
    order_node node;
    node.stage = job.stage;
    node.has_needs = job.has_needs;
    node.needs = std::move(job.needs);
    node.when = job.job.when;
    node.blocks = !job.job.allow_failure;
    x.order.push_back(std::move(node));
    for (auto index : job.dependencies)
      job.job.dependencies.push_back(first + static_cast<int64_t>(index));
    x.view.jobs.push_back(
      add_job(std::make_shared<const job_template>(std::move(job.job)), id,
              job_state::created));
  }
  pipeline_moved(id);
  return id;
}

/// Lets the pipeline's jobs follow what happened to one of them.
void store::pipeline_moved(int64_t id) {
  auto at = pipelines_.find(id);
  if (at == pipelines_.end())
    return;
  auto& [view, order] = at->second;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto* x = find(view.jobs[i]);
    if (x == nullptr)
      continue; // it was forgotten, so it had ended
    order[i].state = x->view.state;
    order[i].failure_allowed
      = failure_allowed(*x->view.what, x->view.exit_code);
  }
  advance(order);
  for (size_t i = 0; i < order.size(); ++i) {
    auto* x = find(view.jobs[i]);
    if (x == nullptr || x->view.state == order[i].state)
      continue;
    if (order[i].state == job_state::pending)
      queue(*x);
    else
      end_quietly(*x, order[i].state);
  }
  view.state = pipeline_state(order);
  changed();
}

void store::end(record& x, job_state state) {
  end_quietly(x, state);
  if (state == job_state::failed && retry(x))
    return changed();
  changed();
  pipeline_moved(x.view.pipeline);
}

/// Has another job run in the place of one that failed, if it is to be retried.
bool store::retry(record& x) {
  auto at = pipelines_.find(x.view.pipeline);
  const auto& policy = x.view.what->retry;
  if (at == pipelines_.end() || x.retries >= policy.max
      || !retries(policy, x.view) || jobs_.size() >= options_.jobs_max)
    return false;
  auto& pipeline = at->second.view;
  auto place = std::find(pipeline.jobs.begin(), pipeline.jobs.end(), x.view.id);
  if (place == pipeline.jobs.end())
    return false;
  x.view.retried = true;
  pipeline.retried.push_back(x.view.id);
  *place = add_job(x.view.what, x.view.pipeline, job_state::pending);
  jobs_.at(*place).retries = x.retries + 1;
  successors_[x.view.id] = *place;
  return true;
}

/// Ends a job without anything that follows from it.
void store::end_quietly(record& x, job_state state) {
  x.view.state = state;
  x.view.finished_us = now_us();
  by_token_.erase(x.view.token);
  ++ended_;
  std::erase(queue_, x.view.id);
}

bool store::cancel(int64_t id, bool graceful) {
  std::lock_guard guard{mutex_};
  auto* x = find(id);
  if (x == nullptr || ended(x->view.state))
    return false;
  if (graceful && x->view.handed_out_us != 0) {
    x->view.state = job_state::canceling;
    changed();
  } else {
    end(*x, job_state::canceled);
  }
  return true;
}

void store::cancel_pipeline(int64_t id, bool graceful) {
  std::lock_guard guard{mutex_};
  auto at = pipelines_.find(id);
  if (at == pipelines_.end())
    return;
  for (auto job : at->second.view.jobs) {
    auto* x = find(job);
    if (x == nullptr || ended(x->view.state))
      continue;
    if (graceful && x->view.handed_out_us != 0)
      x->view.state = job_state::canceling;
    else
      end_quietly(*x, job_state::canceled);
  }
  changed();
  pipeline_moved(id);
}

std::optional<job_view> store::job(int64_t id) const {
  std::lock_guard guard{mutex_};
  const auto* x = find(id);
  if (x == nullptr)
    return std::nullopt;
  return view_of(*x, true);
}

std::vector<job_view> store::jobs() const {
  std::lock_guard guard{mutex_};
  std::vector<job_view> result;
  for (const auto& [id, x] : jobs_)
    result.push_back(view_of(x, false));
  return result;
}

std::optional<pipeline_view> store::pipeline(int64_t id) const {
  std::lock_guard guard{mutex_};
  auto at = pipelines_.find(id);
  if (at == pipelines_.end())
    return std::nullopt;
  return at->second.view;
}

std::string store::trace(int64_t id, uint64_t offset, uint64_t max) const {
  std::lock_guard guard{mutex_};
  const auto* x = find(id);
  return x == nullptr ? std::string{} : x->log.read(offset, max);
}

bool store::wait_until_true(lock& guard, milliseconds timeout,
                            const std::function<bool()>& reached) {
  auto until = steady_clock::now() + timeout;
  return anything_changed_.wait_until(guard, until, [&] {
    return closed_ || reached();
  }) && reached();
}

bool store::wait_job(int64_t id, milliseconds timeout) {
  lock guard{mutex_};
  return wait_until_true(guard, timeout, [&] {
    if (id == 0)
      return ended_ >= jobs_.size();
    const auto* x = find(id);
    return x == nullptr ? id <= last_job_ : ended(x->view.state);
  });
}

bool store::wait_pipeline(int64_t id, milliseconds timeout) {
  lock guard{mutex_};
  return wait_until_true(guard, timeout, [&] {
    auto at = pipelines_.find(id);
    return at != pipelines_.end() && at->second.view.state != "running";
  });
}

uint64_t store::version() const {
  std::lock_guard guard{mutex_};
  return version_;
}

uint64_t store::wait_change(uint64_t seen, milliseconds timeout) {
  lock guard{mutex_};
  wait_until_true(guard, timeout, [&] { return version_ != seen; });
  return version_;
}

void store::changed() {
  ++version_;
  anything_changed_.notify_all();
}

void store::set_long_poll(milliseconds time) {
  std::lock_guard guard{mutex_};
  options_.long_poll = time;
}

size_t store::parked() const {
  std::lock_guard guard{mutex_};
  return parked_;
}

size_t store::jobs_ended() const {
  std::lock_guard guard{mutex_};
  return ended_;
}

size_t store::jobs_total() const {
  std::lock_guard guard{mutex_};
  return jobs_.size();
}

size_t store::forget_ended() {
  std::lock_guard guard{mutex_};
  auto gone = std::erase_if(jobs_, [&](const auto& entry) {
    if (!ended(entry.second.view.state))
      return false;
    trace_kept_ -= entry.second.log.kept();
    for (const auto& file : entry.second.view.artifacts)
      artifacts_kept_ -= file.file->size();
    return true;
  });
  std::erase_if(pipelines_, [](const auto& entry) {
    return entry.second.view.state != "running";
  });
  std::erase_if(successors_, [this](const auto& entry) {
    return find(entry.second) == nullptr;
  });
  ended_ = 0;
  changed();
  return gone;
}

void store::close() {
  std::lock_guard guard{mutex_};
  closed_ = true;
  queue_changed_.notify_all();
  anything_changed_.notify_all();
}

} // namespace muster::gitlab
