#include "actors/slot/slot.hpp"

namespace muster {

namespace {

slot_actor::behavior_type behave(self_ptr<slot_actor, slot_state> self,
                                 const slot_parent_actor& parent,
                                 int32_t index) {
  plays(self, "slot:" + std::to_string(index), parent.address());
  self->state.index = index;
  self->monitor(parent);
  auto act = [self, parent](const slot_life::event& what) {
    auto& st = self->state;
    for (const auto& step : slot_life::step(st.life, what)) {
      if (std::holds_alternative<slot_life::watch_holder>(step)) {
        const auto& holder = std::get<occupy_slot>(what).holder;
        if (!holder.handle) { // a job that is over: only to be cleaned
          self->send(self, vacate_slot{st.life.key});
          continue;
        }
        st.holder = holder.handle.address();
        self->monitor(st.holder);
      } else if (std::holds_alternative<slot_life::have_cleaned>(step)) {
        if (st.holder)
          self->demonitor(st.holder);
        self->send(parent, clean_slot{st.index, st.life.key});
      } else {
        self->send(parent, slot_status{st.index, st.life.phase, st.life.key,
                                       ++st.version});
      }
    }
  };
  self->set_down_handler(
    [self, act, up = parent.address()](const caf::down_msg& x) {
      if (x.source == up)
        self->quit(x.reason);
      else if (x.source == self->state.holder) // not a holder of long ago
        act(slot_life::holder_gone{});
    });
  return {
    [act](const occupy_slot& x) { act(x); },
    [act](const vacate_slot& x) { act(x); },
    [act](const slot_cleaned& x) { act(x); },
  };
}

} // namespace

slot_actor spawn_slot(const spawner& at, slot_parent_actor parent,
                      int32_t index) {
  return at.spawn(behave, std::move(parent), index);
}

} // namespace muster
