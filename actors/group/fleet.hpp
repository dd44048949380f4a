#pragma once

#include "actors/group/group_time.hpp"
#include "actors/group/member.hpp"
#include "messages/id.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace muster {

/// An instance to be cordoned.
struct retirement {
  instance_id instance;
  retire_reason reason = retire_reason::max_idle_time;

  bool operator==(const retirement&) const = default;
};

/// Which instances to cordon now, and when to ask again.
struct retirement_plan {
  std::vector<retirement> retire;
  group_time next_look = never; ///< the next idle time that runs out

  bool operator==(const retirement_plan&) const = default;
};

/// A slot of an instance.
struct slot_place {
  instance_id instance;
  int32_t slot = 0;

  bool operator==(const slot_place&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, slot_place& x) {
    return f(x.instance, x.slot);
  }
};

/// A group's view of its instances. A value: facts come in, counts and choices
/// come out; sums are kept, so that a decision does not walk the instances.
///
/// Removal goes in two steps. `cordon` takes an instance out of the counts and
/// gives out no more slots of it; until `deletion_asked` it can come back by
/// `uncordon`. It is deleted only when no slot is taken.
class fleet {
public:
  explicit fleet(fleet_limits limits = {});

  /// The configuration changed; all sums are made anew.
  void set_limits(fleet_limits limits);

  const fleet_limits& limits() const;

  // -- what comes in --

  /// An instance was discovered. `use_count` and `last_use` are those that the
  /// journal knows of it, if it does. A known instance is left as it is.
  void add(const instance_id& instance, instance_cause cause,
           group_time provisioned_at, int32_t use_count = 0,
           group_time last_use = group_time::min());

  /// Takes a status over. Returns false, and changes nothing, if the instance
  /// is not known, or this or a newer status of it is. `gone` is the same as
  /// `drop`. A slot that it shows under the key that was on its way there
  /// confirms the `occupy`; a slot that is no longer held was last used `now`.
  ///
  /// Versions are those of one actor: what a former actor of the same id still
  /// has on its way must not be passed on.
  bool update(instance_report what, group_time now);

  /// The cloud says that the instance is being deleted: no slot of it is given
  /// out, it counts no more, and there is nothing to be asked.
  void cloud_deletes(const instance_id& instance);

  /// A later listing takes that back: whether it goes is up to this group
  /// again.
  void cloud_keeps(const instance_id& instance);

  /// The instance is gone, whatever was on it.
  void drop(const instance_id& instance);

  // -- what is known --

  /// All there is to one instance; null if it is not known.
  const member* find(const instance_id& instance) const;

  /// All ids, oldest first: in the order in which they were first seen running.
  std::vector<instance_id> instances() const;

  const fleet_counts& counts() const;

  // -- slots --

  /// The slot to be given out next: the lowest free one of the oldest ready
  /// instance that has one; of one that failed lately only if no other has.
  /// Source: reference/autoscaling, section 7.
  std::optional<slot_place> next_slot() const;

  /// A slot is taken from here on, before the instance has answered. Returns
  /// false, and changes nothing, if there is no such slot, if it is taken under
  /// another key or unusable, or if the key has another slot.
  bool occupy(const slot_place& where, const acquisition_key& key);

  /// The same for a job that runs there already: an instance that has not told
  /// of its slots yet may have more than are configured now.
  bool claim(const slot_place& where, const acquisition_key& key);

  /// The instance gave the slot.
  void occupy_accepted(const acquisition_key& key);

  /// The instance did not give the slot: what its status tells holds again.
  void occupy_refused(const acquisition_key& key);

  /// Where `key` holds a slot, has it cleaned, or is about to get it.
  std::optional<slot_place> place_of(const acquisition_key& key) const;

  /// Keys on their way to a slot of this instance, not confirmed: what has to
  /// be put back into the line when the instance is lost.
  std::vector<acquisition_key> underway(const instance_id& instance) const;

  // -- removal --

  /// Decides which instances to cordon.
  ///
  /// Worn out and unhealthy ones always, once nothing of them is taken: they
  /// count no more and are no part of the surplus. Of that, oldest first, those
  /// with nothing taken that have been idle for `idle_time` since the later of
  /// last use and first listing, as long as they have no more than the `spare`
  /// slots. `requests` are instances asked for and not seen yet: they and those
  /// not up yet bear the surplus first, so that no ready instance is removed
  /// while one that is not needed comes up.
  ///
  /// Source: reference/autoscaling, section 6. Unlike the peer's, an instance
  /// that is cordoned already uses up nothing of the surplus, unhealthy ones do
  /// not wait for one, and what a use limit leaves of an instance counts as
  /// what it is: the peer keeps partly used ones in the place of whole ones,
  /// and one for ever.
  retirement_plan choose_retirements(int spare,
                                     std::chrono::milliseconds idle_time,
                                     int requests, group_time now) const;

  /// First step of a removal. Only one that is to be replaced heeds a second.
  void cordon(const instance_id& instance, retire_reason reason);

  /// Those whose cordon can be taken back, youngest first: cordoned for their
  /// idle time, still ready or coming, their deletion not asked for.
  std::vector<instance_id> revocable() const;

  /// Takes a cordon back, since demand has returned. Returns false if it is not
  /// `revocable`.
  bool uncordon(const instance_id& instance);

  /// Second step: those that are cordoned, draining or deleting, with nothing
  /// taken, whose deletion was not asked for, or is due to be asked for again.
  /// Not those that the cloud deletes already.
  std::vector<instance_id> deletions_due(group_time now) const;

  /// The provider is being asked: no way back, and no second question before
  /// `deletion_answered`.
  void deletion_asked(const std::vector<instance_id>& which);

  /// The provider answered, or failed (nothing accepted). Those accepted are
  /// due again at `retry_accepted` if they are still listed, the others at
  /// `retry_refused`. Must be called for every `deletion_asked`, also when the
  /// provider died over it.
  void deletion_answered(const std::vector<instance_id>& asked,
                         const std::vector<instance_id>& accepted,
                         group_time retry_accepted, group_time retry_refused);

  /// The earliest moment at which `deletions_due` is not empty, which may have
  /// passed; `never` if it takes an event.
  group_time next_deletion() const;

  /// After `inspect` has filled it: all that is computed is computed again.
  void restored();

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, fleet& x) {
    return f(x.limits_, x.next_seen_, x.next_unseen_, x.members_, x.sums_);
  }

private:
  /// Age among the instances: those seen running come first, in that order,
  /// then those that never ran.
  using rank = uint64_t;

  /// An instance with what is computed from it and the limits.
  struct entry {
    member is;
    standing role = standing::coming;
    bool taken = false;
    fleet_counts part;

    template <class Inspector>
    friend typename Inspector::result_type inspect(Inspector& f, entry& x) {
      return f(x.is);
    }
  };

  using members = std::map<rank, entry>;

  members::iterator look_up(const instance_id& instance);
  members::const_iterator look_up(const instance_id& instance) const;
  members::iterator underway_to(const acquisition_key& key);
  members::iterator in_place(members::iterator known, instance_phase phase);
  void recount(members::iterator at);
  void forget_sums(members::iterator at);
  void index_keys(members::iterator at);
  bool take(const slot_place& where, const acquisition_key& key,
            int32_t slots_untold);
  void forget_keys(const member& x);
  bool is_revocable(const member& x) const;
  /// Slots of it that serve, or will [slots].
  int usable(const entry& x) const;
  /// The same of all that are not up yet, requests among them.
  int usable_coming(int requests) const;

  static constexpr rank first_unseen = rank{1} << 62;

  fleet_limits limits_;
  rank next_seen_ = 1;
  rank next_unseen_ = first_unseen;
  members members_;
  std::map<instance_id, rank> ranks_;
  std::map<acquisition_key, slot_place> places_;
  std::set<rank> open_;     ///< with a slot that can be given out
  std::set<rank> doubtful_; ///< likewise, of those that failed lately
  std::set<rank> leaving_;  ///< with nothing that holds them back
  fleet_counts sums_;
};

} // namespace muster
