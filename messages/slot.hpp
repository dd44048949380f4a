#pragma once

#include "messages/id.hpp"
#include "messages/peer.hpp"
#include "messages/phases.hpp"

#include <caf/typed_actor.hpp>
#include <cstdint>

namespace muster {

/// Takes the slot for the holder of `key`. Answered by `slot_status`: held
/// under that key if it worked, under another or cleaning if it did not.
struct occupy_slot {
  acquisition_key key;
  peer holder; ///< monitored by the slot: its death ends the hold
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, occupy_slot& x) {
  return f(caf::meta::type_name("occupy_slot"), x.key, x.holder);
}

/// The holder of `key` is done. Answered by `slot_status`.
struct vacate_slot {
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, vacate_slot& x) {
  return f(caf::meta::type_name("vacate_slot"), x.key);
}

/// Answers `clean_slot`: whether nothing of `key` is left at the instance.
struct slot_cleaned {
  acquisition_key key;
  bool clean = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_cleaned& x) {
  return f(caf::meta::type_name("slot_cleaned"), x.key, x.clean);
}

/// The whole state of a slot; an older `version` is ignored by who receives it.
struct slot_status {
  int32_t slot = 0; ///< 0-based, below capacity_per_instance
  slot_phase phase = slot_phase::free;
  acquisition_key key; ///< empty exactly when `free`
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_status& x) {
  return f(caf::meta::type_name("slot_status"), x.slot, x.phase, x.key,
           x.version);
}

/// Asks the instance to end whatever is left of `key` there. Answered by
/// `slot_cleaned`.
struct clean_slot {
  int32_t slot = 0;
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, clean_slot& x) {
  return f(caf::meta::type_name("clean_slot"), x.slot, x.key);
}

using slot_actor
  = caf::typed_actor<caf::reacts_to<occupy_slot>, caf::reacts_to<vacate_slot>,
                     caf::reacts_to<slot_cleaned>>;

/// What a slot says to its instance.
using slot_parent_actor
  = caf::typed_actor<caf::reacts_to<slot_status>, caf::reacts_to<clean_slot>>;

} // namespace muster
