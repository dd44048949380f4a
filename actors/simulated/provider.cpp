#include "actors/simulated/provider.hpp"

namespace muster::simulated {

namespace {

using self_t = self_ptr<provider_actor, provider_state>;

struct driver {
  self_t self;
  provider_parent_actor parent;
  world_ptr all;

  template <class To, class Message>
  void answer(const To& to, call what, Message x) const {
    auto at = all->answer_at(what, self->now());
    auto wait = at - self->now();
    if (all->happens(all->options.faults.doubled))
      self->delayed_send(to, wait, x);
    self->delayed_send(to, wait, std::move(x));
  }

  static caf::error failure() {
    return error_of(provider_errc::call_failed, "the cloud refuses the call");
  }

  static caf::error silence() {
    return error_of(provider_errc::timed_out, "the cloud does not answer");
  }

  bool fails() const {
    return all->happens(all->options.faults.failed);
  }

  void on(const start_provider&) const {
    provider_ready out;
    out.group = "simulated";
    out.max_size = all->options.cloud.max_size;
    out.version = "simulated";
    self->send(parent, std::move(out));
  }

  void on(const list_instances& x) const {
    listing out{x.number, {}, {}};
    std::vector<listed_machine> found;
    if (!all->machines.list(self->now(), found) || fails())
      out.why = failure();
    else
      for (auto& one : found)
        out.instances.push_back(
          {instance_id{std::move(one.id)}, state_of(one.state)});
    answer(parent, call::list, std::move(out));
  }

  static cloud_state state_of(machine_state x) {
    switch (x) {
      case machine_state::running:
        return cloud_state::running;
      case machine_state::deleting:
        return cloud_state::deleting;
      case machine_state::creating:
        break;
    }
    return cloud_state::creating;
  }

  void on(const increase& x) const {
    all->sees->increase_asked(x.count);
    increased out{x.count, 0, {}};
    auto silent = fails();
    // Of a call that is not answered nobody knows whether it was done.
    if (!silent || all->happens(0.5))
      out.accepted = all->machines.increase(x.count, self->now());
    if (silent)
      out = {x.count, 0, silence()};
    else if (out.accepted < x.count)
      out.why = failure();
    answer(parent, call::increase, std::move(out));
  }

  void on(const decrease& x) const {
    std::vector<std::string> ids;
    for (const auto& id : x.instances)
      ids.push_back(id.value);
    all->sees->decrease_asked(ids);
    decreased out{x.instances, {}, {}};
    auto silent = fails();
    if (!silent || all->happens(0.5))
      for (auto& id : all->machines.decrease(ids, self->now()))
        out.accepted.emplace_back(std::move(id));
    if (silent)
      out = {x.instances, {}, silence()};
    else if (out.accepted.size() < ids.size())
      out.why = failure();
    answer(parent, call::decrease, std::move(out));
  }

  void on(const get_connect_info& x) const {
    connect_info_found out{x.instance, {}, {}};
    if (fails())
      out.why = failure();
    answer(as<provider_asker_actor>(x.asker), call::connect_info,
           std::move(out));
  }

  void on(const heartbeat& x) const {
    heartbeat_answered out{x.instance, {}};
    if (!all->machines.is_alive(x.instance.value, self->now()))
      out.why = error_of(provider_errc::not_found, "there is no such machine");
    answer(as<provider_asker_actor>(x.asker), call::heartbeat, std::move(out));
  }
};

provider_actor::behavior_type
behave(self_t self, const provider_parent_actor& parent, const world_ptr& all) {
  driver d{self, parent, all};
  self->monitor(parent);
  self->set_down_handler(
    [self](const caf::down_msg& x) { self->quit(x.reason); });
  return {
    [d](const start_provider& x) { d.on(x); },
    [d](const list_instances& x) { d.on(x); },
    [d](const increase& x) { d.on(x); },
    [d](const decrease& x) { d.on(x); },
    [d](const get_connect_info& x) { d.on(x); },
    [d](const heartbeat& x) { d.on(x); },
  };
}

} // namespace

provider_actor spawn_provider(const spawner& at, provider_parent_actor parent,
                              world_ptr all) {
  return at.spawn(behave, std::move(parent), std::move(all));
}

} // namespace muster::simulated
