#pragma once

#include "messages/peer.hpp"

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
