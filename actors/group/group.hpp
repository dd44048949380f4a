#pragma once

#include "actors/edges.hpp"
#include "actors/group/account.hpp"
#include "actors/group/boot_times.hpp"
#include "actors/group/decision.hpp"
#include "actors/group/listing_pace.hpp"
#include "actors/group/reconcile.hpp"
#include "actors/group/schedule.hpp"
#include "actors/group/throttle.hpp"
#include "actors/group/waiting.hpp"
#include "actors/newest.hpp"
#include "actors/provider/provider.hpp"
#include "actors/traced.hpp"
#include "config/config.hpp"
#include "config/log.hpp"
#include "messages/group.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace muster {

/// What of a group may change while it lives.
struct group_orders {
  std::shared_ptr<const runner_config> runner;
  start_provider_actor make_provider;
};

/// A group whose provider has worked with such settings.
struct proven_group {
  std::string id; ///< the cloud's own
  group_orders with;
};

/// What a group is, and whom it talks to.
struct group_setup {
  std::string role; ///< `runner:a/group`
  std::shared_ptr<const runner_config> runner;
  start_provider_actor make_provider;
  group_parent_actor parent;
  dialer_actor dialer;
  journal_actor journal;
  std::shared_ptr<const edges> edge;
  std::shared_ptr<group_metrics> metrics = std::make_shared<group_metrics>();
  std::shared_ptr<const newest<group_orders>> orders; ///< null: none will come
  /// What worked, for the group that may take this one's place. It goes on
  /// with that if the settings in force are refused. Null: nobody keeps it.
  std::shared_ptr<newest<proven_group>> proven;
};

struct group_state {
  struct held_slot {
    claim what;
    int missed = 0; ///< listings without its instance
    time_point since;

    template <class Inspector>
    friend typename Inspector::result_type inspect(Inspector& f, held_slot& x) {
      return f(x.what, x.missed, x.since);
    }
  };

  /// A machine that is gone: the cloud may list it, still or again.
  struct gone_machine {
    group_time until;       ///< so long it is remembered
    bool was_clean = false; ///< removed as was asked, with nothing of a job
    int32_t use_count = 0;  ///< if it was not

    template <class Inspector>
    friend typename Inspector::result_type inspect(Inspector& f,
                                                   gone_machine& x) {
      return f(x.until, x.was_clean, x.use_count);
    }
  };

  /// How far another provider is on its way to take the place of this one.
  enum class exchange : uint8_t {
    none,
    waiting, ///< for the answers that are out
    ending,  ///< of the old one
    trying,  ///< whether the new one is of the same group
  };

  std::shared_ptr<const runner_config> config; ///< in force
  start_provider_actor make_provider;          ///< likewise
  group_orders former; ///< of the provider, until the new one has proven good
  exchange provider_exchange = exchange::none;
  bool replaces = false; ///< with the new provider all instances, too
  /// What was asked for by then was made with former settings.
  group_time replaced_at = group_time::min();
  int64_t provider_max = 0; ///< its own limit [instances]
  fleet instances;
  reservations promises;
  cloud_view cloud;
  schedule policies;
  scaling limits; ///< without what the policy in force adds
  provider_actor provider;
  std::string id;           ///< the cloud's own group
  bool initialized = false; ///< a provider has said that it is of that
  std::map<instance_id, instance_actor> actors;
  std::map<instance_id, known_instance> known; ///< by the journal, at the start
  std::map<instance_id, gone_machine> lost;
  std::set<instance_id> failed; ///< go since they do not work
  bool keeps_instances = false; ///< what goes may come back as it was
  /// Keys of jobs of which something may be on instances that come back, until
  /// these are ready.
  std::map<instance_id, std::set<acquisition_key>> leftovers;
  growth_throttle growth;
  std::string problem; ///< of the last instance that did not get ready
  std::string refusal; ///< of the last request for more, if it failed
  std::map<acquisition_key, waiting_notice> notices; ///< to those who wait
  group_time next_notice = group_time::min();
  std::map<instance_id, int> refused_deletions; ///< while it drains
  std::map<acquisition_key, acquire> acquirers;
  std::map<acquisition_key, held_slot> claims; ///< not answered yet
  std::string last_told; ///< the last `required scaling change`
  decision_memory told;  ///< of decisions
  decision_rule refused_by = decision_rule::satisfied; ///< the last promise
  boot_times boots;
  /// When those that are not ready were asked for, else listed.
  std::map<instance_id, group_time> coming;

  bool deciding = false; ///< a `decide` is under way
  time_point decided_at; ///< the last one was handled
  bool starved = false;  ///< a reservation was refused since the last notice
  bool ready = false;    ///< the first listing was taken over
  bool draining = false;
  time_point drain_by;
  uint64_t timer = 0;
  time_point timer_due; ///< when that one comes
  std::shared_ptr<group_metrics> metrics;
  uint64_t listings = 0; ///< asked for
  bool listing_out = false;
  bool listing_failed = false; ///< the last one, or the provider since
  int listing_failures = 0;    ///< in a row
  group_time listed_at = group_time::min(); ///< the last time that worked
  uint64_t list_ticks = 0;                  ///< version of the tick in force
  time_point list_due;                      ///< when it comes
  listing_budget listing_calls;
  time_point changed_at; ///< something was expected anew, or seen
  int provider_failures = 0;
  time_point provider_since;                           ///< when it was started
  int increase_failures = 0;                           ///< in a row
  int decrease_failures = 0;                           ///< likewise
  time_point increase_not_before;                      ///< after a failure
  std::vector<int> increases_out;                      ///< not answered yet
  std::vector<std::vector<instance_id>> decreases_out; ///< not answered yet
  const char* name = "group";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, group_state& x) {
  return f(caf::meta::type_name("group_state"), x.instances, x.promises,
           x.cloud, x.id, x.deciding, x.starved, x.ready, x.draining);
}

/// A runner's provider group: who gets a slot, and how many instances there
/// are. Spawned by its runner, which it monitors; it spawns its provider and
/// its instances. A dead provider is started again and lists anew; a dead
/// instance is dropped, and discovered again if the cloud still lists it. When
/// the group itself fails its instances and its provider stop, and nothing is
/// deleted.
group_actor spawn_group(const spawner& at, group_setup setup);

} // namespace muster
