#pragma once

#include "messages/peer.hpp"
#include "messages/plan.hpp"

#include <caf/error.hpp>
#include <caf/meta/type_name.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

// What stands in a recording beside the messages of messages/: no actor
// receives any of these.

/// The recording of a process begins.
struct run_begun {
  std::string run_id; ///< part of every key
  std::string version;
  std::string revision;
  int32_t workers = 0; ///< more than one: the order is not exact
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_begun& x) {
  return f(caf::meta::type_name("run_begun"), x.run_id, x.version, x.revision,
           x.workers);
}

/// A configuration is in force from here on.
struct config_in_force {
  std::string path;
  /// TOML; values that may be secret are `<secret#17>`: equal ones have equal
  /// numbers.
  std::string text;
  /// How the roles of those runners end that are served, in the file's order.
  std::vector<std::string> runners = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, config_in_force& x) {
  return f(caf::meta::type_name("config_in_force"), x.path, x.text, x.runners);
}

/// A runner's actor has begun: what its decisions come from besides messages
/// and the configuration.
struct runner_begun {
  std::string run_id; ///< part of its jobs' keys
  uint64_t number = 0;
  uint64_t clients = 0;
  bool leaves = false;
  bool is_renamed = false; ///< the journal knows it by another name
  int32_t jobs_max = 0;
  int64_t idle_max_ms = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, runner_begun& x) {
  return f(caf::meta::type_name("runner_begun"), x.run_id, x.number, x.clients,
           x.leaves, x.is_renamed, x.jobs_max, x.idle_max_ms);
}

/// A stage of a job's plan, without its scripts.
struct planned_stage {
  std::string name;
  std::string heading;
  stage_condition condition = stage_condition::on_success;
  stage_phase phase = stage_phase::step;
  stage_place place = stage_place::host;
  int32_t attempts_max = 1;
  bool prepares_retry = false; ///< has a script for that
  int64_t timeout_ms = 0;
  bool failure_counts = true;
  int64_t retry_pause_ms = 0;
  int64_t retry_pause_max_ms = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, planned_stage& x) {
  return f(caf::meta::type_name("planned_stage"), x.name, x.heading,
           x.condition, x.phase, x.place, x.attempts_max, x.prepares_retry,
           x.timeout_ms, x.failure_counts, x.retry_pause_ms,
           x.retry_pause_max_ms);
}

/// A job's actor has begun: what of its plan decides how it goes on. Variables
/// and scripts do not stand in a recording, so that it cannot be planned again.
struct job_planned {
  caf::error why; ///< set: there is no plan
  std::vector<planned_stage> stages;
  int64_t steps_timeout_ms = 0;
  int64_t prepare_timeout_ms = 0;
  int64_t get_sources_timeout_ms = 0;
  bool warned = false; ///< in the job's log
  bool uses_default_image = false;
  std::vector<std::string> flags; ///< that are on for it
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_planned& x) {
  return f(caf::meta::type_name("job_planned"), x.why, x.stages,
           x.steps_timeout_ms, x.prepare_timeout_ms, x.get_sources_timeout_ms,
           x.warned, x.uses_default_image, x.flags);
}

/// An actor that the receiver monitors has ended.
struct peer_down {
  peer who;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, peer_down& x) {
  return f(caf::meta::type_name("peer_down"), x.who, x.why);
}

/// The receiver is told to end.
struct exit_told {
  peer who; ///< tells it; an empty role: nobody known
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, exit_told& x) {
  return f(caf::meta::type_name("exit_told"), x.who, x.why);
}

/// A message that is none of ours.
struct foreign_message {
  std::string type;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, foreign_message& x) {
  return f(caf::meta::type_name("foreign_message"), x.type);
}

/// The state of an actor where a segment begins.
struct actor_state {
  std::string text;  ///< for people
  std::string bytes; ///< for a replay; empty: not known
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, actor_state& x) {
  return f(caf::meta::type_name("actor_state"), x.text, x.bytes);
}

} // namespace muster
