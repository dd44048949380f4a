#pragma once

#include "messages/decisions.hpp"
#include "messages/instance.hpp"
#include "messages/journal.hpp"
#include "messages/provider.hpp"

#include <caf/error.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>

namespace muster {

/// Asks for a promise of capacity before GitLab is asked for a job. Answered by
/// `reserved`.
struct reserve {
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, reserve& x) {
  return f(caf::meta::type_name("reserve"), x.key);
}

/// Gives a reservation back, or an acquire that still waits.
struct unreserve {
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, unreserve& x) {
  return f(caf::meta::type_name("unreserve"), x.key);
}

/// Asks for a slot under a reserved key. Answered by `acquired`, at the latest
/// when the deadline passes.
struct acquire {
  acquisition_key key;
  int64_t timeout_ms = 0; ///< > 0 [ms]
  peer asker;             ///< the job: holder of the slot
  bool renewed = false;   ///< the reservation was lost with an earlier group
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, acquire& x) {
  return f(caf::meta::type_name("acquire"), x.key, x.timeout_ms, x.asker,
           x.renewed);
}

/// A job holds this slot already: it got it from a group, or an instance actor,
/// that failed, or from an earlier manager. Answered by `acquired` when the
/// instance is there again, or when it is not.
struct claim {
  acquisition_key key;
  instance_id instance;
  int32_t slot = 0;
  peer asker; ///< nobody: the job is over, the slot is only to be cleaned
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, claim& x) {
  return f(caf::meta::type_name("claim"), x.key, x.instance, x.slot, x.asker);
}

/// Decides on scaling and on who is served; posted by the group to itself.
struct decide {
  uint64_t number = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, decide& x) {
  return f(caf::meta::type_name("decide"), x.number);
}

/// A moment that the group waits for.
struct group_timer {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, group_timer& x) {
  return f(caf::meta::type_name("group_timer"), x.version);
}

/// Time for the next listing.
struct list_tick {
  uint64_t number = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, list_tick& x) {
  return f(caf::meta::type_name("list_tick"), x.number);
}

/// Prepares the end: no more reservations; instances are removed first if so
/// configured. Answered by `drained`.
struct drain {
  int64_t timeout_ms = 0; ///< [ms]
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, drain& x) {
  return f(caf::meta::type_name("drain"), x.timeout_ms);
}

/// The configuration has changed: the newest is looked up. What is running goes
/// on; what cannot be changed in place is replaced as it becomes free.
struct reconfigure_group {
  uint64_t number = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, reconfigure_group& x) {
  return f(caf::meta::type_name("reconfigure_group"), x.number);
}

/// Answers `reserve`.
struct reserved {
  acquisition_key key;
  caf::error why; ///< `no_capacity`: do not ask GitLab
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, reserved& x) {
  return f(caf::meta::type_name("reserved"), x.key, x.why);
}

/// Answers `acquire`.
struct acquired {
  acquisition_key key;
  instance_id instance;
  int32_t slot = 0;
  peer slot_peer;               ///< to be vacated; monitored by the job
  std::string internal_address; ///< for the job's log, as configured
  std::string external_address;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, acquired& x) {
  return f(caf::meta::type_name("acquired"), x.key, x.instance, x.slot,
           x.slot_peer, x.internal_address, x.external_address, x.why);
}

/// Tells a job that still waits what it waits for.
struct acquire_waits {
  acquisition_key key;
  std::string text; ///< for its log
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, acquire_waits& x) {
  return f(caf::meta::type_name("acquire_waits"), x.key, x.text);
}

/// Tells a runner that a refused `reserve` may work now.
struct capacity_changed {
  uint64_t number = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, capacity_changed& x) {
  return f(caf::meta::type_name("capacity_changed"), x.number);
}

/// Tells a runner that its group can serve: it has listed its instances.
struct group_ready {
  std::string group; ///< the cloud's own id
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, group_ready& x) {
  return f(caf::meta::type_name("group_ready"), x.group);
}

/// Answers `drain`.
struct drained {
  int32_t left = 0; ///< instances still there, or asked for and not yet listed
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, drained& x) {
  return f(caf::meta::type_name("drained"), x.left);
}

// -- remarks about decisions: `messages/decisions.hpp` ------------------------

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cordon_note& x) {
  return f(caf::meta::type_name("cordon_note"), x.instance, x.rule);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, option_note& x) {
  return f(caf::meta::type_name("option_note"), x.rule, x.count, x.for_ms);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, decision_note& x) {
  return f(caf::meta::type_name("decision_note"), x.rule, x.required,
           x.unrestricted, x.wanted, x.instances, x.requests, x.idle,
           x.acquired, x.unavailable, x.pending, x.reserved, x.max_instances,
           x.capacity_per_instance, x.policy, x.periods, x.idle_count,
           x.scale_factor, x.scale_factor_limit, x.idle_time_ms, x.asked,
           x.taken_back, x.cordoned, x.not_taken, x.removing, x.unconfirmed);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, refusal_note& x) {
  return f(caf::meta::type_name("refusal_note"), x.key, x.rule, x.idle,
           x.acquired, x.reserved, x.max_instances, x.capacity_per_instance);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, instance_note& x) {
  return f(caf::meta::type_name("instance_note"), x.instance, x.what, x.rule,
           x.cause, x.since_ms, x.use_count, x.reason);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, request_note& x) {
  return f(caf::meta::type_name("request_note"), x.given_up, x.after_ms);
}

using group_actor = caf::typed_actor<
  caf::reacts_to<reserve>, caf::reacts_to<unreserve>, caf::reacts_to<acquire>,
  caf::reacts_to<claim>, caf::reacts_to<get_connect_info>,
  caf::reacts_to<heartbeat>, caf::reacts_to<decide>,
  caf::reacts_to<group_timer>, caf::reacts_to<list_tick>, caf::reacts_to<drain>,
  caf::reacts_to<instance_status>, caf::reacts_to<slot_occupied>,
  caf::reacts_to<provider_ready>, caf::reacts_to<listing>,
  caf::reacts_to<increased>, caf::reacts_to<decreased>,
  caf::reacts_to<known_instances>, caf::reacts_to<reconfigure_group>>;

/// What a runner and its jobs say to a group.
using slot_source_actor
  = caf::typed_actor<caf::reacts_to<reserve>, caf::reacts_to<unreserve>,
                     caf::reacts_to<acquire>, caf::reacts_to<claim>,
                     caf::reacts_to<drain>>;

/// What a group says to its runner.
using group_parent_actor
  = caf::typed_actor<caf::reacts_to<reserved>, caf::reacts_to<capacity_changed>,
                     caf::reacts_to<group_ready>, caf::reacts_to<drained>>;

/// What a group says to a job.
using acquirer_actor
  = caf::typed_actor<caf::reacts_to<acquired>, caf::reacts_to<acquire_waits>>;

} // namespace muster
