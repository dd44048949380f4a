#include "actors/simulated/runner.hpp"

#include "actors/simulated/provider.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace muster::simulated {

namespace {

using namespace std::chrono_literals;
using self_t = self_ptr<runner_actor, runner_state>;

struct driver {
  self_t self;
  runner_setup setup;
  world_ptr all;

  runner_state& st() const {
    return self->state;
  }

  // -- the group --------------------------------------------------------------

  start_provider_actor make_provider() const {
    return
      [all = all](caf::local_actor* from, const provider_parent_actor& parent) {
        return spawn_provider(from, parent, all);
      };
  }

  void start_group() const {
    auto& s = st();
    group_setup with;
    with.role = "runner:simulated/group";
    with.runner = all->options.runner;
    with.make_provider = make_provider();
    s.orders = std::make_shared<newest<group_orders>>();
    with.orders = s.orders;
    with.parent = caf::actor_cast<group_parent_actor>(self);
    with.dialer = setup.dialer;
    with.journal = setup.journal;
    with.edge = setup.edge;
    s.group = spawn_group(self, std::move(with));
    self->monitor(s.group);
    for (const auto& row : s.jobs)
      self->send(row.second.actor,
                 group_changed{{"runner:simulated/group",
                                caf::actor_cast<caf::actor>(s.group)}});
  }

  void group_lost() const {
    auto& s = st();
    s.group = nullptr;
    s.group_ready = false;
    s.polls.clear();
    auto pause = std::min<time_point::duration>(
      1s * (1 << std::min(s.group_failures++, 6)), 60s);
    send_later(self, self->now() + pause, restart_tick{++s.restarts});
  }

  void on(const group_ready&) const {
    st().group_ready = true;
    st().starved = false;
    st().group_failures = 0;
    look();
  }

  void on(const reconfigure_runner&) const {
    auto& s = st();
    if (!s.group)
      return;
    s.orders->give(std::make_shared<const group_orders>(
      group_orders{all->options.runner, make_provider()}));
    self->send(s.group, reconfigure_group{++s.reconfigurations});
  }

  // -- GitLab -----------------------------------------------------------------

  time_point arrival(size_t index) const {
    return all->begins + all->options.jobs[index].queued;
  }

  /// Mostly it is the same moment as before: one tick is enough for it.
  void tick_at(time_point when) const {
    if (std::exchange(st().tick_due, when) != when)
      send_later(self, when, poll_tick{++st().tick});
  }

  /// Takes in what has come by now, and waits for the next.
  void on(const poll_tick& x) const {
    auto& s = st();
    if (x.version != s.tick)
      return;
    s.tick_due = time_point::max();
    auto was_empty = s.queue.empty();
    while (s.arrived < all->options.jobs.size()
           && arrival(s.arrived) <= self->now()) {
      all->courses[s.arrived].queued = arrival(s.arrived);
      s.queue.push_back(s.arrived++);
    }
    if (was_empty && !s.queue.empty())
      s.next_poll = std::max(s.next_poll, next_check());
    look();
  }

  /// A runner that was given nothing asks again at the next of these.
  time_point next_check() const {
    auto every = std::max(all->options.check_interval, milliseconds{1});
    auto since = self->now() - all->begins;
    auto done = since / every;
    return since % every == time_point::duration{0}
             ? self->now()
             : all->begins + every * (done + 1);
  }

  /// Asks for what may be asked for now; sets the tick for the rest.
  void look() const {
    auto& s = st();
    auto in_time = self->now() >= s.next_poll;
    auto requests_max
      = static_cast<size_t>(all->options.runner->request_concurrency);
    while (in_time && s.group_ready && !s.starved
           && s.polls.size() < std::max<size_t>(requests_max, 1)
           && s.polls.size() < s.queue.size()
           && s.jobs.size() + s.polls.size()
                < static_cast<size_t>(all->options.jobs_max)) {
      acquisition_key key{fmt::format("job-{}", ++s.keys)};
      s.polls.insert(key);
      self->send(s.group, reserve{std::move(key)});
    }
    auto next = s.arrived < all->options.jobs.size() ? arrival(s.arrived)
                                                     : time_point::max();
    if (!in_time && !s.queue.empty())
      next = std::min(next, s.next_poll);
    if (next != time_point::max())
      tick_at(next);
  }

  void on(const reserved& x) const {
    auto& s = st();
    if (s.polls.erase(x.key) == 0) // of a group that is gone
      return;
    if (x.why) {
      s.starved = true;
      return;
    }
    if (s.queue.empty()) {
      self->send(s.group, unreserve{x.key});
      return;
    }
    auto index = s.queue.front();
    s.queue.pop_front();
    s.next_poll = self->now()
                  + all->options.takes.request
                      / std::max(all->options.runner->request_concurrency, 1);
    job_setup with{x.key, index, s.group,
                   caf::actor_cast<job_parent_actor>(self)};
    auto made = spawn_job(self, with, all);
    self->monitor(made);
    s.jobs[x.key] = {made, index};
    look();
  }

  void on(const job_ended& x) const {
    auto row = st().jobs.find(x.key);
    if (row == st().jobs.end())
      return;
    self->demonitor(row->second.actor.address());
    over(row);
  }

  void
  over(std::map<acquisition_key, runner_state::running>::iterator row) const {
    st().jobs.erase(row);
    ++all->jobs_over;
    look();
  }

  void on(const caf::down_msg& x) const {
    auto& s = st();
    if (s.group && x.source == s.group.address()) {
      group_lost();
      return;
    }
    for (auto row = s.jobs.begin(); row != s.jobs.end(); ++row)
      if (row->second.actor.address() == x.source) {
        job_lost(row);
        return;
      }
  }

  /// Its slot hears of it, too.
  void job_lost(
    std::map<acquisition_key, runner_state::running>::iterator row) const {
    auto& course = all->courses[row->second.index];
    if (course.fate == job_fate::running)
      all->sees->slot_left(row->first);
    all->holds.erase(row->first);
    course.fate = job_fate::killed;
    course.ended = self->now();
    if (st().group)
      self->send(st().group, unreserve{row->first});
    over(row);
  }
};

runner_actor::behavior_type behave(self_t self, const runner_setup& setup,
                                   const world_ptr& all) {
  driver d{self, setup, all};
  all->begins = self->now();
  self->state.next_poll = all->begins;
  self->set_down_handler([d](const caf::down_msg& x) { d.on(x); });
  d.start_group();
  d.tick_at(all->begins);
  return {
    [d](const reserved& x) { d.on(x); },
    [d](const capacity_changed&) {
      d.st().starved = false;
      d.look();
    },
    [d](const group_ready& x) { d.on(x); },
    [](const drained&) {},
    [d](const job_ended& x) { d.on(x); },
    [d](const poll_tick& x) { d.on(x); },
    [d](const restart_tick& x) {
      if (x.number == d.st().restarts)
        d.start_group();
    },
    [d](const reconfigure_runner& x) { d.on(x); },
  };
}

} // namespace

runner_actor spawn_runner(const spawner& at, runner_setup setup,
                          world_ptr all) {
  return at.spawn(behave, std::move(setup), std::move(all));
}

} // namespace muster::simulated
