#include "actors/provider/provider.hpp"

#include "actors/traced.hpp"

#include <chrono>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

/// Start-up may have to authenticate to a cloud; the other calls are requests.
constexpr auto init_timeout = std::chrono::seconds{60};
constexpr auto call_timeout = std::chrono::seconds{60};
constexpr auto connect_info_timeout = std::chrono::minutes{10};
constexpr auto heartbeat_timeout = std::chrono::seconds{10};

cloud_state state_of(provider_instance_state x) {
  switch (x) {
    case provider_instance_state::creating:
      return cloud_state::creating;
    case provider_instance_state::running:
      return cloud_state::running;
    case provider_instance_state::deleting:
      return cloud_state::deleting;
    case provider_instance_state::deleted:
      return cloud_state::deleted;
    case provider_instance_state::timeout:
      return cloud_state::timeout;
    case provider_instance_state::suspending:
      return cloud_state::suspending;
    case provider_instance_state::suspended:
      return cloud_state::suspended;
    case provider_instance_state::resuming:
      break;
  }
  return cloud_state::resuming;
}

} // namespace

start_provider_actor provider_starter(make_instance_group make) {
  return [make = std::move(make)](caf::local_actor* from,
                                  const provider_parent_actor& parent) {
    return from->spawn<caf::detached>(provider, parent, make);
  };
}

provider_actor::behavior_type
provider(provider_actor::stateful_pointer<provider_edge_state> self,
         const provider_parent_actor& parent, make_instance_group make) {
  self->monitor(parent);
  self->set_down_handler(
    [self](const caf::down_msg& x) { self->quit(x.reason); });
  self->state.group = make();
  return {
    [self, parent](const start_provider&) {
      auto info = self->state.group->init(clock::now() + init_timeout);
      provider_ready answer;
      if (info)
        answer = {info->id, info->max_size, info->version, {}};
      else
        answer.why = error_of(info.error());
      self->send(parent, answer);
    },
    [self, parent](const list_instances& x) {
      auto found = self->state.group->update(clock::now() + call_timeout);
      listing answer{x.number, {}, {}};
      if (found)
        for (auto& one : *found)
          answer.instances.push_back(
            {instance_id{std::move(one.id)}, state_of(one.state)});
      else
        answer.why = error_of(found.error());
      self->send(parent, std::move(answer));
    },
    [self, parent](const increase& x) {
      auto done
        = self->state.group->increase(x.count, clock::now() + call_timeout);
      increased answer{x.count, done ? *done : 0, {}};
      if (!done)
        answer.why = error_of(done.error());
      self->send(parent, std::move(answer));
    },
    [self, parent](const decrease& x) {
      std::vector<std::string> ids;
      for (const auto& one : x.instances)
        ids.push_back(one.value);
      auto done = self->state.group->decrease(ids, clock::now() + call_timeout);
      decreased answer{x.instances, {}, {}};
      if (done)
        for (auto& one : *done)
          answer.accepted.emplace_back(std::move(one));
      else
        answer.why = error_of(done.error());
      self->send(parent, std::move(answer));
    },
    [self](const get_connect_info& x) {
      auto found = self->state.group->get_connect_info(
        x.instance.value, clock::now() + connect_info_timeout);
      connect_info_found answer{x.instance, {}, {}};
      if (found)
        answer.info = std::move(*found);
      else
        answer.why = error_of(found.error());
      self->send(as<provider_asker_actor>(x.asker), std::move(answer));
    },
    [self](const heartbeat& x) {
      auto alive = self->state.group->heartbeat(
        x.instance.value, clock::now() + heartbeat_timeout);
      heartbeat_answered answer{x.instance, {}};
      if (!alive)
        answer.why = error_of(alive.error());
      self->send(as<provider_asker_actor>(x.asker), std::move(answer));
    },
  };
}

} // namespace muster
