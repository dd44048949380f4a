#pragma once

#include "actors/group/capacity.hpp"
#include "actors/group/fleet.hpp"
#include "actors/group/reservations.hpp"

#include <chrono>
#include <vector>

namespace muster {

/// What a decision needs beside the fleet and the reservations.
struct decision_input {
  scaling policy;                         ///< limits, and the policy in force
  std::chrono::milliseconds idle_time{0}; ///< of the policy in force
  int requests = 0;    ///< asked for, not seen in a listing yet [instances]
  int unconfirmed = 0; ///< given up, and no listing has left them out since
  group_time now = {};
};

/// What a group does about its instances, and why. `explain` is told from it.
struct group_decision {
  scaling_decision scaling;
  std::vector<instance_id> uncordon; ///< stay after all
  int increase = 0;               ///< to be asked of the provider [instances]
  std::vector<retirement> cordon; ///< to be removed
  group_time next_look = never;   ///< when it may come out otherwise by itself

  /// Whether anything is to be done.
  bool acts() const {
    return increase > 0 || !uncordon.empty() || !cordon.empty();
  }

  bool operator==(const group_decision&) const = default;
};

/// Returns the counts that a decision is made from. Requests count as instances
/// that are there, with the slots that the use limit will leave them.
capacity capacity_of(const fleet& instances, const reservations& promises,
                     int requests);

/// Returns what reservations may count on.
slot_room room_of(const fleet& instances, const scaling& policy, int requests);

/// Decides what to do about the instances: first those that are cordoned only
/// for their idle time come back, then more are asked for, as far as
/// `max_instances` leaves room beside all that are present, those being deleted
/// among them; or surplus ones are cordoned.
///
/// Constant load settles: what is cordoned is never more than what the formula
/// calls surplus, and it calls for nothing after that (tested for all small
/// configurations).
///
/// Source: reference/autoscaling, sections 5 and 6.
group_decision decide_group(const fleet& instances,
                            const reservations& promises,
                            const decision_input& in);

/// Writes the decision into the fleet: cordons and what is taken back.
void apply(const group_decision& what, fleet& instances);

/// A waiting key and the slot it gets.
struct assignment {
  acquisition_key key;
  slot_place place;

  bool operator==(const assignment&) const = default;
};

/// Gives slots to those who wait, first come first served, as long as there are
/// both. Fleet and reservations know each as under way from here on.
std::vector<assignment> assign_slots(fleet& instances, reservations& promises);

} // namespace muster
