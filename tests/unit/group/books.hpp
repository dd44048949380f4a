#pragma once

#include "actors/group/fleet.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

using namespace std::chrono_literals;

/// Some moment, far from the clock's epoch.
constexpr group_time start = group_time{} + 1000h;

inline instance_id id_of(const std::string& x) {
  return instance_id{x};
}

inline acquisition_key key_of(const std::string& x) {
  return acquisition_key{x};
}

inline slot_facts free_now() {
  return {};
}

inline slot_facts held_by(const std::string& key) {
  return {slot_phase::held, acquisition_key{key}};
}

inline slot_facts cleaning_of(const std::string& key) {
  return {slot_phase::cleaning, acquisition_key{key}};
}

/// A fleet to which instances report in few words.
struct reporting_fleet : fleet {
  using fleet::fleet;

  uint64_t version = 0;

  /// An instance that was just discovered.
  void discover(const std::string& name, group_time at = start) {
    add(id_of(name), instance_cause::requested, at);
  }

  bool report(const std::string& name, instance_phase phase,
              std::vector<slot_facts> slots = {}, int used = 0,
              int failures = 0, group_time now = start) {
    instance_report x;
    x.instance = id_of(name);
    x.phase = phase;
    x.slots = std::move(slots);
    x.use_count = used;
    x.failures = failures;
    x.version = ++version;
    return update(x, now);
  }

  /// A discovered instance that is ready, all slots free.
  void ready(const std::string& name, group_time discovered = start) {
    discover(name, discovered);
    report(name, instance_phase::ready,
           std::vector<slot_facts>(
             static_cast<size_t>(limits().capacity_per_instance)));
  }
};

} // namespace muster::test
