// Under constant load a group comes to rest, whatever its configuration: the
// whole of a group's rules against a cloud that does what it is told.

#include "actors/group/decision.hpp"
#include "actors/group/reconcile.hpp"
#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

using namespace muster;
using namespace muster::test;

namespace {

struct setting {
  int capacity = 1;
  int idle = 0;
  int max = 0;
  int uses = 0;
  std::chrono::milliseconds idle_time{0};
};

/// A group and its cloud, in steps of a second.
class world {
public:
  world(const setting& x, int preexisting)
    : fleet_{{.capacity_per_instance = x.capacity, .max_use_count = x.uses}} {
    input_.policy.capacity_per_instance = x.capacity;
    input_.policy.idle_count = x.idle;
    input_.policy.max_instances = x.max;
    input_.idle_time = x.idle_time;
    input_.now = start;
    for (auto i = 0; i < preexisting; ++i)
      make();
  }

  /// A job comes: it waits for a slot if it may.
  void begin_job() {
    auto key = key_of("k" + std::to_string(++jobs_made_));
    if (!promises_.reserve(
          key, room_of(fleet_, input_.policy, cloud_.requests()), 0, false))
      return;
    REQUIRE(promises_.wait(key, input_.now, never));
  }

  /// The job that has a slot for longest ends. Returns whether there was one.
  bool end_job() {
    if (running_.empty())
      return false;
    auto key = running_.front();
    running_.erase(running_.begin());
    auto place = *fleet_.place_of(key);
    slots_of(place.instance)[static_cast<size_t>(place.slot)] = {};
    tell(place.instance);
    return true;
  }

  int jobs() const {
    return promises_.pending() + static_cast<int>(running_.size());
  }

  int instances() const {
    return static_cast<int>(machines_.size());
  }

  /// A second passes: cloud, instances and group each do what they have to.
  void step() {
    input_.now += 1s;
    list();
    come_up();
    for (auto rounds = 0; serve() || decide(); ++rounds)
      REQUIRE_LT(rounds, 50);
    remove();
    check();
  }

  int changes = 0;       ///< instances asked for, cordoned or brought back
  int idle_removals = 0; ///< healthy instances cordoned

private:
  struct machine {
    instance_phase phase = instance_phase::creating;
    std::vector<slot_facts> slots;
    int uses = 0;
  };

  void make() {
    machines_[id_of("i" + std::to_string(1000 + ++machines_made_))]
      .slots.resize(static_cast<size_t>(input_.policy.capacity_per_instance));
  }

  std::vector<slot_facts>& slots_of(const instance_id& x) {
    return machines_.at(x).slots;
  }

  void tell(const instance_id& name) {
    const auto& x = machines_.at(name);
    fleet_.report(name.value, x.phase, x.slots, x.uses, 0, input_.now);
  }

  void list() {
    std::vector<listed> listing;
    for (const auto& [name, x] : machines_)
      listing.push_back({name, cloud_state::running});
    for (const auto& x : cloud_.reconcile(listing, input_.now)) {
      if (x.what == observation::kind::discovered)
        fleet_.add(x.instance, x.cause, input_.now);
      else if (x.what == observation::kind::gone)
        fleet_.drop(x.instance);
    }
  }

  void come_up() {
    for (auto& [name, x] : machines_)
      if (x.phase != instance_phase::ready) {
        x.phase = x.phase == instance_phase::creating
                    ? instance_phase::preparing
                    : instance_phase::ready;
        tell(name);
      }
  }

  bool serve() {
    auto given = assign_slots(fleet_, promises_);
    for (const auto& x : given) {
      auto& at = machines_.at(x.place.instance);
      at.slots[static_cast<size_t>(x.place.slot)] = held_by(x.key.value);
      ++at.uses;
      tell(x.place.instance);
      REQUIRE(promises_.confirm(x.key));
      running_.push_back(x.key);
    }
    return !given.empty();
  }

  bool decide() {
    input_.requests = cloud_.requests();
    auto decided = decide_group(fleet_, promises_, input_);
    check_removals(decided);
    apply(decided, fleet_);
    cloud_.requested(decided.increase, input_.now);
    for (auto i = 0; i < decided.increase; ++i)
      make();
    changes += decided.increase + static_cast<int>(decided.cordon.size())
               + static_cast<int>(decided.uncordon.size());
    return decided.acts();
  }

  /// A ready instance goes for being idle only if what comes up goes, too.
  void check_removals(const group_decision& x) {
    auto ready = 0;
    for (const auto& r : x.cordon)
      if (r.reason == retire_reason::max_idle_time) {
        ++idle_removals;
        ready += fleet_.find(r.instance)->told.phase == instance_phase::ready;
      }
    if (ready > 0)
      REQUIRE_GE(-x.scaling.change,
                 ready + fleet_.counts().not_ready + cloud_.requests());
    if (!x.cordon.empty() && x.increase > 0)
      REQUIRE_EQ(ready, 0);
  }

  void remove() {
    auto due = fleet_.deletions_due(input_.now);
    fleet_.deletion_asked(due);
    for (const auto& x : due) {
      for (const auto& slot : slots_of(x))
        REQUIRE_EQ(slot.phase, slot_phase::free);
      cloud_.removal_asked(x);
      machines_.erase(x);
    }
    fleet_.deletion_answered(due, due, input_.now + 60s, input_.now + 5s);
  }

  void check() {
    if (input_.policy.max_instances > 0)
      REQUIRE_LE(static_cast<int>(machines_.size()),
                 std::max(input_.policy.max_instances, 3));
    auto uses = fleet_.limits().max_use_count;
    for (const auto& [name, x] : machines_)
      if (uses > 0)
        REQUIRE_LE(x.uses, uses);
  }

  reporting_fleet fleet_;
  reservations promises_;
  cloud_view cloud_;
  decision_input input_;
  std::map<instance_id, machine> machines_;
  std::vector<acquisition_key> running_; ///< oldest first
  int jobs_made_ = 0;
  int machines_made_ = 0;
};

/// Calls `check` for every small configuration.
template <class Check>
void for_all_settings(Check check) {
  for (auto capacity = 1; capacity <= 4; ++capacity)
    for (auto idle = 0; idle <= 4; ++idle)
      for (auto max = 0; max <= 5; ++max)
        for (auto uses = 0; uses <= 3; ++uses)
          for (auto idle_time : {0s, 3s})
            check(setting{capacity, idle, max, uses, idle_time});
}

constexpr auto warm_up = 40; // steps: more than any idle time and boot chain

} // namespace

TEST_CASE("under constant load nothing changes after settling") {
  for_all_settings([](const setting& x) {
    CAPTURE(x.capacity);
    CAPTURE(x.idle);
    CAPTURE(x.max);
    CAPTURE(x.uses);
    CAPTURE(x.idle_time.count());
    for (auto load : {0, 1, 2, 3, 5, 8})
      for (auto preexisting : {0, 3}) {
        CAPTURE(load);
        CAPTURE(preexisting);
        world w{x, preexisting};
        for (auto i = 0; i < load; ++i)
          w.begin_job();
        for (auto i = 0; i < warm_up; ++i)
          w.step();
        w.changes = 0;
        for (auto i = 0; i < 10; ++i)
          w.step();
        REQUIRE_EQ(w.changes, 0);
      }
  });
}

TEST_CASE("jobs that follow each other at once let nothing flap") {
  for_all_settings([](const setting& x) {
    CAPTURE(x.capacity);
    CAPTURE(x.idle);
    CAPTURE(x.max);
    CAPTURE(x.uses);
    CAPTURE(x.idle_time.count());
    for (auto load : {1, 2, 3, 5}) {
      CAPTURE(load);
      world w{x, 0};
      auto top_up = [&w, load] {
        for (auto i = w.jobs(); i < load; ++i)
          w.begin_job();
      };
      for (auto i = 0; i < 2 * warm_up; ++i) {
        if (i == warm_up)
          w.changes = w.idle_removals = 0;
        w.end_job();
        top_up();
        w.step();
      }
      // Worn out instances have to be replaced; healthy ones stay.
      REQUIRE_EQ(w.idle_removals, 0);
      if (x.uses == 0)
        REQUIRE_EQ(w.changes, 0);
    }
  });
}

TEST_CASE("a group without load and without an idle count reaches zero") {
  for (auto capacity = 1; capacity <= 4; ++capacity)
    for (auto preexisting = 0; preexisting <= 5; ++preexisting) {
      world w{{.capacity = capacity, .idle_time = 5s}, preexisting};
      for (auto i = 0; i < preexisting; ++i)
        w.begin_job();
      for (auto i = 0; i < 4; ++i)
        w.step();
      while (w.end_job())
        w.step();
      for (auto i = 0; i < 10; ++i)
        w.step();
      CHECK_EQ(w.instances(), 0);
    }
}
