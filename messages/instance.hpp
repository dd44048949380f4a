#pragma once

#include "messages/dialer.hpp"
#include "messages/journal.hpp"
#include "messages/phases.hpp"
#include "messages/provider.hpp"
#include "messages/slot.hpp"

#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

/// The cloud's state of the instance, from a listing.
struct provider_state {
  cloud_state state = cloud_state::creating;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_state& x) {
  return f(caf::meta::type_name("provider_state"), x.state);
}

/// The cloud does not have it any more.
struct removed_from_cloud {
  std::string reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, removed_from_cloud& x) {
  return f(caf::meta::type_name("removed_from_cloud"), x.reason);
}

/// Gives a free slot to a job. Answered by `slot_occupied`.
struct occupy {
  acquisition_key key;
  int32_t slot = 0;
  peer holder;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, occupy& x) {
  return f(caf::meta::type_name("occupy"), x.key, x.slot, x.holder);
}

/// Takes no further job; with no slot taken it is deleted.
struct retire {
  std::string reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, retire& x) {
  return f(caf::meta::type_name("retire"), x.reason);
}

/// A moment that an instance waits for.
struct instance_timer {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, instance_timer& x) {
  return f(caf::meta::type_name("instance_timer"), x.version);
}

using instance_actor = caf::typed_actor<
  caf::reacts_to<provider_state>, caf::reacts_to<removed_from_cloud>,
  caf::reacts_to<occupy>, caf::reacts_to<retire>,
  caf::reacts_to<instance_timer>, caf::reacts_to<slot_status>,
  caf::reacts_to<clean_slot>, caf::reacts_to<connect_info_found>,
  caf::reacts_to<heartbeat_answered>, caf::reacts_to<host_key_found>,
  caf::reacts_to<dialed>, caf::reacts_to<connection_health>,
  caf::reacts_to<info_wanted>, caf::reacts_to<command_ended>,
  caf::reacts_to<leftovers_ended>>;

/// One slot in an instance's report.
struct slot_report {
  slot_phase phase = slot_phase::free;
  acquisition_key key; ///< empty exactly when `free`
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_report& x) {
  return f(caf::meta::type_name("slot_report"), x.phase, x.key);
}

/// The whole state of an instance; an older `version` is ignored.
struct instance_status {
  instance_id instance;
  instance_phase phase = instance_phase::creating;
  std::vector<slot_report> slots; ///< capacity_per_instance of them
  int32_t use_count = 0;          ///< jobs given to it so far
  int32_t failures = 0;           ///< health failures in a row
  std::string reason;             ///< why it drains, is deleted or gone
  uint64_t version = 0;
  bool failed = false; ///< it goes since it does not work
  std::string problem; ///< of the preparation; empty: none
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, instance_status& x) {
  return f(caf::meta::type_name("instance_status"), x.instance, x.phase,
           x.slots, x.use_count, x.failures, x.reason, x.version, x.failed,
           x.problem);
}

/// Answers `occupy`.
struct slot_occupied {
  instance_id instance;
  acquisition_key key;
  int32_t slot = 0;
  bool accepted = false;
  peer slot_peer;               ///< set when accepted
  std::string internal_address; ///< of the instance
  std::string external_address;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_occupied& x) {
  return f(caf::meta::type_name("slot_occupied"), x.instance, x.key, x.slot,
           x.accepted, x.slot_peer, x.internal_address, x.external_address);
}

/// What an instance says to its group.
using instance_parent_actor = caf::typed_actor<caf::reacts_to<instance_status>,
                                               caf::reacts_to<slot_occupied>>;

} // namespace muster
