#include "actors/dialer/dialer.hpp"

#include "actors/dialer/connection.hpp"

namespace muster {

namespace {

caf::error not_dialed(const instance_id& instance) {
  return error_of(connection_errc::unreachable,
                  "there is no connection to instance " + instance.value);
}

dialer_actor::behavior_type behave(self_ptr<dialer_actor, dialer_state> self,
                                   const caf::actor_addr& parent,
                                   std::shared_ptr<const dial_edge> edge) {
  plays(self, "dialer");
  auto make = [self, edge](const instance_id& instance) -> connection_actor {
    auto& st = self->state;
    auto base = ++st.connections_made << session_id_bits;
    auto made
      = spawn_connection(self, caf::actor_cast<dialer_actor>(self), edge, base);
    self->monitor(made);
    st.connections[instance] = {made, std::nullopt};
    return made;
  };
  auto start = [self, make](const dial& x) {
    auto made = make(x.instance);
    self->state.connections[x.instance].asked = x;
    self->send(made, x);
  };
  auto find = [self](const instance_id& instance) -> connection_actor* {
    auto found = self->state.connections.find(instance);
    return found == self->state.connections.end() ? nullptr
                                                  : &found->second.actor;
  };
  self->monitor(parent);
  self->set_down_handler([self, parent, start](const caf::down_msg& x) {
    if (x.source == parent) {
      self->quit(x.reason);
      return;
    }
    auto& rows = self->state.connections;
    for (auto row = rows.begin(); row != rows.end(); ++row)
      if (row->second.actor.address() == x.source) {
        if (row->second.asked) {
          start(dial{*row->second.asked});
        } else {
          rows.erase(row);
        }
        return;
      }
  });
  return {
    [self, start, find](const dial& x) {
      if (auto* found = find(x.instance)) {
        self->state.connections[x.instance].asked = x;
        self->send(*found, x);
      } else {
        start(x);
      }
    },
    [self, find](const hang_up& x) {
      if (auto* found = find(x.instance)) {
        self->demonitor(found->address());
        self->send(*found, x);
        self->state.connections.erase(x.instance);
      }
    },
    [self, find](const run_command& x) {
      if (auto* found = find(x.instance))
        self->send(*found, x);
      else
        self->send(as<dial_asker_actor>(x.asker),
                   command_ended{x.instance, -1, "", not_dialed(x.instance)});
    },
    // After a restart jobs and slots come before their instance has dialed:
    // they wait until their deadline.
    [self, find, make](const open_stream& x) {
      auto* found = find(x.instance);
      self->send(found ? *found : make(x.instance), x);
    },
    [self, find, make](const end_leftovers& x) {
      auto* found = find(x.instance);
      self->send(found ? *found : make(x.instance), x);
    },
    [self, find](const renew_info& x) {
      if (auto* found = find(x.instance)) {
        auto& asked = self->state.connections[x.instance].asked;
        if (asked && !x.why)
          asked->info = x.info;
        self->send(*found, x);
      }
    },
  };
}

} // namespace

dialer_actor spawn_dialer(const spawner& at, caf::actor_addr parent,
                          std::shared_ptr<const dial_edge> edge) {
  return at.spawn(behave, std::move(parent), std::move(edge));
}

} // namespace muster
