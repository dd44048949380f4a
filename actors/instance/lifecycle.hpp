#pragma once

#include "actors/clock.hpp"
#include "messages/instance.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace muster::instance_life {

/// An image that the instance's Engine is to have, from a file of the manager.
struct image_archive {
  std::string path; ///< empty: none
  std::string name; ///< of the image; another one for other content
};

/// What an instance is told once, at its start.
struct options {
  int32_t capacity = 1; ///< slots
  std::string ready_command;
  std::chrono::milliseconds boot_timeout{1'800'000};  ///< until it runs
  std::chrono::milliseconds prepare_timeout{600'000}; ///< from running to ready
  std::chrono::milliseconds command_timeout{300'000}; ///< of one try
  int32_t failure_threshold = 3;
  /// Before a slot is given out the machine is asked whether it is alive.
  bool heartbeat = false;
  std::chrono::milliseconds clean_timeout{60'000}; ///< of a slot
  /// Set: jobs run in containers of the Engine at this address there (empty:
  /// its default).
  std::optional<std::string> engine_host;
  image_archive image;
  std::chrono::milliseconds image_timeout{600'000}; ///< to load it
};

/// How far the preparation is.
enum class preparation : uint8_t {
  none,
  connect_info,
  host_key, ///< pinned?
  dial,
  sweep, ///< what earlier jobs have left is ended
  command,
  image,      ///< is it there?
  image_load, ///< it is being put there
  done,
};

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
  int32_t dead_looks = 0;     ///< heartbeats that failed, in a row
  uint64_t timer = 0;         ///< version of the timer in force
  time_point prepare_by;
  int32_t refusals = 0;     ///< of connect info, in a row
  std::string last_problem; ///< of the preparation
  std::string told_problem; ///< the last one in the log
  time_point told_at;
  bool failed = false;                    ///< goes since it does not work
  bool renewing = false;                  ///< its connect info has expired
  std::vector<acquisition_key> leftovers; ///< of earlier jobs, to be ended
  std::vector<occupy> checking;           ///< wait for a sign of life
  bool is_cut_off = false; ///< its connection is broken, and tried again
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, state& x) {
  return f(caf::meta::type_name("instance_life"), x.phase, x.step, x.slots,
           x.use_count, x.failures, x.reason, x.asked_heartbeat, x.timer,
           x.last_problem, x.failed, x.renewing, x.leftovers, x.dead_looks);
}

/// A job holds a slot from before this actor was there.
struct claimed {
  occupy what;
};

using event
  = std::variant<provider_state, removed_from_cloud, connect_info_found,
                 host_key_found, dialed, connection_health, info_wanted,
                 command_ended, leftovers_ended, heartbeat_answered, retire,
                 occupy, claimed, slot_status, instance_timer>;

struct ask_connect_info {};
struct ask_host_key {};
struct start_dial {};
struct renew_dial {}; ///< with what was found, or why nothing was
struct start_sweep {
  std::vector<acquisition_key> keys;
};
struct start_command {};
struct look_for_image {};
struct load_image {};
struct check_alive {};
struct ask_heartbeat {};
struct forward_occupy {
  occupy what;
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
  = std::variant<ask_connect_info, ask_host_key, start_dial, renew_dial,
                 start_sweep, start_command, look_for_image, load_image,
                 check_alive, ask_heartbeat, forward_occupy, answer_occupy,
                 arm_timer, tell_ready, tell_status, hang_up_connection,
                 tell_problem, leave>;

/// `leftovers` are keys of jobs of which something may be there. It is ended
/// before the first slot is given out; other processes are nobody's here.
state initial(const options& opts, int32_t use_count,
              std::vector<acquisition_key> leftovers = {});

/// Jobs that it has had, those that are about to get a slot among them.
int32_t uses(const state& st);

/// Moves an instance on: it prepares itself once it runs, serves while ready,
/// and goes away in two steps, draining and then deleting, so that no taken
/// slot is ever deleted. Events that do not fit change nothing.
///
/// Source: reference/autoscaling, sections 2, 9 and 10.
std::vector<action> step(state& st, const options& opts, const event& what,
                         time_point now);

} // namespace muster::instance_life
