#pragma once

#include "messages/slot.hpp"

#include <variant>
#include <vector>

namespace muster::slot_life {

struct state {
  slot_phase phase = slot_phase::free;
  acquisition_key key; ///< empty exactly when `free`
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, state& x) {
  return f(caf::meta::type_name("slot_life"), x.phase, x.key);
}

struct holder_gone {};
using event = std::variant<occupy_slot, vacate_slot, holder_gone, slot_cleaned>;

struct watch_holder {};
struct have_cleaned {};
struct tell_status {};
using action = std::variant<watch_holder, have_cleaned, tell_status>;

/// Moves a slot on. It is never free while something of its last job may be
/// alive: from `held` the only way to `free` leads over `cleaning`, and from a
/// failed cleaning there is no way back.
///
/// Events that do not fit the phase or the key change nothing.
std::vector<action> step(state& st, const event& what);

} // namespace muster::slot_life
