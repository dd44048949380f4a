#include "actors/replay/roles.hpp"
#include "actors/replay/snapshot.hpp"
#include "actors/replay/world.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster {

namespace {

template <class State, class Handle>
State& state_of(const actor_again& x) {
  return dynamic_cast<stateful<State, traced<Handle>>&>(
           *caf::actor_cast<caf::abstract_actor*>(x.handle))
    .state;
}

} // namespace

// -- snapshots ----------------------------------------------------------------

void replay::world::bring_in(const record& x) {
  if (is_restorable(part_of(x.to.role)))
    states_.push_back(x);
  else
    add_stand_in(x.to);
}

void replay::world::restore_all() {
  auto all = std::exchange(states_, {});
  std::ranges::stable_sort(all, {},
                           [](const record& x) { return part_of(x.to.role); });
  for (const auto& x : all)
    if (!restore(x)) {
      remark(fmt::format("{} does not run again: the recording begins in the "
                         "middle of its life, and its state there cannot be "
                         "read",
                         to_string(x.to)));
      if (auto* half = players_.by_number(x.to.number)) {
        half->runs = false;
        half->show = nullptr;
        report.actors -= concerns(x.to.role) ? 1 : 0;
      } else {
        add_stand_in(x.to);
      }
    }
  // What they did while they were made is none of their decisions.
  lines_.clear();
  late_.clear();
  orders_of_sending_.clear();
  to_edges_.clear();
  remarking_.clear();
  alarms_.clear();
  players_.for_each([](actor_again& x) {
    x.timers.clear();
    x.notes.clear();
  });
}

bool replay::world::restore(const record& x) {
  if (!x.what.match_elements<actor_state>())
    return false;
  snapshot_reader from{
    x.what.get_as<actor_state>(0).bytes, replay_begins + x.at,
    [this](uint64_t number, const std::string& role) {
      auto* known = players_.by_number(static_cast<uint32_t>(number));
      return known != nullptr ? known->handle : handle_of(role);
    }};
  if (!from.is_there())
    return false;
  clock().current_time = replay_begins + x.at;
  unix_us_ = x.unix_us;
  if (part_of(x.to.role) == part::group)
    return restore_group(x, from);
  auto* parent = players_.by_role(parent_of(x.to.role));
  if (parent == nullptr || !parent->runs)
    return false;
  if (part_of(x.to.role) == part::instance)
    return restore_instance(x, from, *parent);
  auto* made = find_unbound(x.to.role);
  if (made == nullptr)
    return false;
  bind_restored(*made, x);
  return from.get(state_of<slot_state, slot_actor>(*made));
}

void replay::world::bind_restored(actor_again& made, const record& x) {
  players_.bind(made, x.to);
  made.from_snapshot = true;
}

bool replay::world::restore_group(const record& x, snapshot_reader& from) {
  auto* provider = players_.by_role(x.to.role + "/provider");
  if (!make_group(x))
    return true; // that was told
  auto* made = find_unbound(x.to.role);
  if (made == nullptr)
    return false;
  bind_restored(*made, x);
  auto& state = state_of<group_state, group_actor>(*made);
  auto has_provider = false;
  if (!from.get(state, has_provider))
    return false;
  state.provider = nullptr;
  if (has_provider && provider != nullptr)
    state.provider = caf::actor_cast<provider_actor>(provider->handle);
  if (provider != nullptr)
    players_.bind(*provider, player{provider->who});
  return true;
}

bool replay::world::restore_instance(const record& x, snapshot_reader& from,
                                     actor_again& parent) {
  instance_snapshot about;
  if (!from.get(about))
    return false;
  instance_setup with;
  with.role = x.to.role;
  with.group = about.group;
  with.id = about.id;
  with.options = about.options;
  with.parent = caf::actor_cast<instance_parent_actor>(parent.handle);
  with.provider = caf::actor_cast<provider_gate_actor>(parent.handle);
  with.dialer = caf::actor_cast<dialer_actor>(handle_of("dialer"));
  with.journal = caf::actor_cast<journal_actor>(handle_of("journal"));
  auto actor = spawn_instance(time_.sys, std::move(with));
  run(caf::actor_cast<caf::actor>(actor));
  while (run_unborn()) { // its slots
  }
  auto* made = find_unbound(x.to.role);
  if (made == nullptr)
    return false;
  bind_restored(*made, x);
  state_of<group_state, group_actor>(parent).actors[about.id] = actor;
  return from.get(state_of<instance_state, instance_actor>(*made));
}

} // namespace muster
