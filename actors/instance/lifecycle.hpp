#pragma once

#include "actors/clock.hpp"
#include "messages/instance.hpp"

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace muster::instance_life {

/// What an instance is told once, at its start.
struct options {
  int32_t capacity = 1; ///< slots
  std::string ready_command;
  std::chrono::milliseconds prepare_timeout{600'000}; ///< from running to ready
  std::chrono::milliseconds command_timeout{300'000}; ///< of one try
  int32_t failure_threshold = 3;
};

/// How far the preparation is.
enum class preparation : uint8_t { none, connect_info, dial, command, done };

struct state {
  instance_phase phase = instance_phase::creating;
  preparation step = preparation::none;
  std::vector<slot_report> slots;
  std::vector<acquisition_key>
    promised; ///< keys that a slot has not confirmed yet
  int32_t use_count = 0;
  int32_t failures = 0;
  std::string reason; ///< why it drains, is deleted or gone
  bool asked_heartbeat = false;
  time_point heartbeat_asked; ///< asked again when the answer stays out
  uint64_t timer = 0;         ///< version of the timer in force
  time_point prepare_by;
  std::string last_problem; ///< of the preparation
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, state& x) {
  return f(caf::meta::type_name("instance_life"), x.phase, x.step, x.slots,
           x.use_count, x.failures, x.reason, x.asked_heartbeat, x.timer,
           x.last_problem);
}

/// A job holds a slot from before this actor was there.
struct claimed {
  occupy what;
};

struct slot_lost {
  int32_t slot = 0;
};

using event
  = std::variant<provider_state, removed_from_cloud, connect_info_found, dialed,
                 connection_health, command_ended, heartbeat_answered, retire,
                 occupy, claimed, slot_status, slot_lost, instance_timer>;

struct ask_connect_info {};
struct start_dial {};
struct start_command {};
struct ask_heartbeat {};
struct forward_occupy {
  int32_t slot = 0;
};
struct answer_occupy {
  acquisition_key key;
  int32_t slot = 0;
  bool accepted = false;
};
struct arm_timer {
  time_point at;
  uint64_t version = 0;
};
struct tell_ready {};
struct tell_status {};
struct hang_up_connection {};
struct tell_problem {
  std::string text; ///< for the log
};
/// The last action: the actor stops; without an error when it was asked to go.
struct leave {
  bool expected = false;
};

using action
  = std::variant<ask_connect_info, start_dial, start_command, ask_heartbeat,
                 forward_occupy, answer_occupy, arm_timer, tell_ready,
                 tell_status, hang_up_connection, tell_problem, leave>;

state initial(const options& opts, int32_t use_count);

/// Moves an instance on: it prepares itself once it runs, serves while ready,
/// and goes away in two steps, draining and then deleting, so that no taken
/// slot is ever deleted. Events that do not fit change nothing.
///
/// Source: reference/autoscaling, sections 2 and 9.
std::vector<action> step(state& st, const options& opts, const event& what,
                         time_point now);

} // namespace muster::instance_life
