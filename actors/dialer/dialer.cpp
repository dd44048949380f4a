#include "actors/dialer/dialer.hpp"

#include "actors/dialer/connection.hpp"

namespace muster {

namespace {

/// Room for the sessions of one connection in the transport's ids.
constexpr int id_bits = 24;

caf::error not_dialed(const instance_id& instance) {
  return error_of(connection_errc::unreachable,
                  "there is no connection to instance " + instance.value);
}

} // namespace

dialer_actor::behavior_type dialer(self_ptr<dialer_actor, dialer_state> self,
                                   const caf::actor_addr& parent,
                                   std::shared_ptr<const dial_edge> edge) {
  auto start = [self, edge](const dial& x) {
    auto& st = self->state;
    auto base = ++st.connections_made << id_bits;
    auto made = self->spawn(connection, caf::actor_cast<dialer_actor>(self),
                            edge, base);
    self->monitor(made);
    st.connections[x.instance] = {made, x};
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
    for (const auto& row : self->state.connections)
      if (row.second.actor.address() == x.source) {
        start(dial{row.second.asked});
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
    [self, find](const open_stream& x) {
      if (auto* found = find(x.instance))
        self->send(*found, x);
      else
        self->send(as<stream_asker_actor>(x.asker),
                   stream_route{x.key, 0, "", not_dialed(x.instance)});
    },
    [self, find](const end_leftovers& x) {
      if (auto* found = find(x.instance))
        self->send(*found, x);
      else
        self->send(as<dial_asker_actor>(x.asker),
                   leftovers_ended{x.instance, x.key, false,
                                   text_of(not_dialed(x.instance))});
    },
  };
}

} // namespace muster
