#include "actors/simulated/job.hpp"

namespace muster::simulated {

namespace {

using self_t = self_ptr<job_actor, job_state>;

struct driver {
  self_t self;
  job_setup setup;
  world_ptr all;

  job_state& st() const {
    return self->state;
  }

  job_course& course() const {
    return all->courses[setup.index];
  }

  peer me() const {
    return peer_of("job:" + setup.key.value, self);
  }

  void ask(bool renewed) const {
    auto patience = all->options.runner->autoscaler->instance_acquire_timeout;
    self->send(st().group, acquire{setup.key, patience.count(), me(), renewed});
  }

  void end(job_fate fate) const {
    auto& x = course();
    if (x.fate == job_fate::running) {
      all->holds.erase(setup.key);
      all->sees->slot_left(setup.key);
    }
    x.fate = fate;
    x.ended = self->now();
    self->send(setup.parent,
               job_ended{setup.key, static_cast<int64_t>(setup.index),
                         fate == job_fate::done, ""});
    self->quit();
  }

  void on(const acquired& x) const {
    auto runs = course().fate == job_fate::running;
    if (x.why) {
      if (!runs) // it has its reservation still
        self->send(st().group, unreserve{setup.key});
      end(runs ? job_fate::lost : job_fate::timed_out);
      return;
    }
    if (runs && x.instance != st().instance)
      return;
    st().slot = x.slot_peer;
    st().instance = x.instance;
    st().place = x.slot;
    self->monitor(x.slot_peer.handle);
    all->holds[setup.key] = {x.instance, x.slot};
    all->sees->slot_given(setup.index, setup.key, x.instance, x.slot);
    if (runs)
      return;
    course().fate = job_fate::running;
    course().began = self->now();
    self->delayed_send(self, all->options.jobs[setup.index].duration,
                       job_timer{});
  }

  void on(const job_timer&) const {
    if (st().slot.handle) {
      self->demonitor(st().slot.handle.address());
      self->send(as<slot_actor>(st().slot), vacate_slot{setup.key});
    } else { // claimed, and not answered yet
      self->send(st().group, unreserve{setup.key});
    }
    end(job_fate::done);
  }

  void on(const group_changed& x) const {
    st().group = as<slot_source_actor>(x.group);
    if (course().fate == job_fate::running)
      ask_again();
    else
      ask(true);
  }

  void ask_again() const {
    st().slot = {};
    self->send(st().group, claim{setup.key, st().instance, st().place, me()});
  }

  void on(const caf::down_msg& x) const {
    if (!st().slot.handle || x.source != st().slot.handle.address())
      return;
    if (is(x.reason, instance_errc::removed_externally)
        || is(x.reason, instance_errc::retired))
      end(job_fate::lost);
    else
      ask_again();
  }
};

job_actor::behavior_type behave(self_t self, const job_setup& setup,
                                const world_ptr& all) {
  driver d{self, setup, all};
  self->state.group = setup.group;
  d.course().fate = job_fate::waiting;
  self->set_down_handler([d](const caf::down_msg& x) { d.on(x); });
  if (setup.group)
    d.ask(false);
  return {
    [d](const acquired& x) { d.on(x); },
    [](const acquire_waits&) {},
    [d](const job_timer& x) { d.on(x); },
    [d](const group_changed& x) { d.on(x); },
  };
}

} // namespace

job_actor spawn_job(const spawner& at, job_setup setup, world_ptr all) {
  return at.spawn(behave, std::move(setup), std::move(all));
}

} // namespace muster::simulated
