#include "actors/simulated/simulation.hpp"

#include "actors/simulated/ends.hpp"

#include <algorithm>
#include <utility>

namespace muster::simulated {

namespace {

using namespace std::chrono_literals;

constexpr auto hopeless = 24h * 7;

/// An actor's state as it is between two messages; null if it has ended, though
/// somebody may not have heard of that yet.
template <class State, class Handle>
State* state_of(const Handle& x) {
  using actor_type = stateful<State, traced<Handle>>;
  auto* self
    = dynamic_cast<actor_type*>(caf::actor_cast<caf::abstract_actor*>(x));
  if (self == nullptr || self->getf(caf::abstract_actor::is_terminated_flag))
    return nullptr;
  return &self->state;
}

std::shared_ptr<const edges> edges_of(const world_ptr& all,
                                      virtual_time& time) {
  auto out = std::make_shared<edges>();
  std::weak_ptr<world> weak = all;
  out->unix_us = [weak, &time]() -> int64_t {
    auto x = weak.lock();
    if (!x)
      return 0;
    auto since = time.now() - x->begins + x->clock_step;
    return x->options.begins_us
           + std::chrono::duration_cast<std::chrono::microseconds>(since)
               .count();
  };
  return out;
}

} // namespace

simulation::simulation(world_options given)
  : all_(std::make_shared<world>(std::move(given))) {
  all_->begins = time_.now();
  dialer_ = spawn_dialer(time_.sys, all_);
  journal_ = spawn_journal(time_.sys, all_);
  runner_ = simulated::spawn_runner(
    time_.sys, runner_setup{dialer_, journal_, edges_of(all_, time_)}, all_);
}

simulation::~simulation() {
  for (const auto& row : runner().jobs)
    end(caf::actor_cast<caf::actor>(row.second.actor));
  if (runner().group)
    end(caf::actor_cast<caf::actor>(runner().group));
  end(caf::actor_cast<caf::actor>(runner_));
  end(caf::actor_cast<caf::actor>(dialer_));
  end(caf::actor_cast<caf::actor>(journal_));
  all_->dialed.clear();
  time_.run();
  while (time_.scheduler().clock().has_pending_timeout()) {
    time_.scheduler().clock().trigger_timeout();
    time_.run();
  }
}

void simulation::end(const caf::actor& who) {
  caf::anon_send_exit(who, caf::exit_reason::kill);
}

uint64_t simulation::run_to_end() {
  uint64_t handled = time_.run();
  auto over = all_->jobs_over;
  auto give_up = time_.now() + hopeless;
  while (all_->jobs_over < all_->options.jobs.size()
         && time_.advance(give_up)) {
    handled += time_.run();
    if (all_->jobs_over == over && !all_->holds.empty())
      give_up = std::max(give_up, time_.now() + hopeless);
    if (all_->jobs_over != over || runner().queue.empty()) {
      over = all_->jobs_over;
      give_up = time_.now() + hopeless;
    }
  }
  return handled;
}

void simulation::reconfigure(std::shared_ptr<const runner_config> runner) {
  all_->options.runner = std::move(runner);
  caf::anon_send(runner_, reconfigure_runner{});
}

const runner_state& simulation::runner() const {
  return *state_of<runner_state>(runner_);
}

peer simulation::slot_of(const job_actor& job) {
  const auto* x = state_of<job_state>(job);
  return x == nullptr ? peer{} : x->slot;
}

const group_state* simulation::group() const {
  const auto& group = runner().group;
  return group ? state_of<group_state>(group) : nullptr;
}

} // namespace muster::simulated
