#pragma once

#include "messages/connect_info.hpp"
#include "messages/id.hpp"
#include "messages/peer.hpp"

#include <caf/error.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>

namespace muster {

/// Connects to an instance and puts the helper there; the connection is kept,
/// and made again when it breaks, until `hang_up`. Answered by `dialed`.
struct dial {
  instance_id instance;
  connect_info info;
  int32_t failure_threshold = 3; ///< tries in a row before it is unhealthy
  peer asker;                  ///< also hears `connection_health` from then on
  std::string pin_advice = {}; ///< what to do if the host key is another one
  /// Jobs run in containers: where no helper can run there, one here reaches
  /// the Engine, which is at this address there (empty: its default).
  bool in_containers = false;
  std::string engine_host = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, dial& x) {
  return f(caf::meta::type_name("dial"), x.instance, x.info,
           x.failure_threshold, x.asker, x.pin_advice, x.in_containers,
           x.engine_host);
}

/// Answers `info_wanted`.
struct renew_info {
  instance_id instance;
  connect_info info;
  caf::error why; ///< there is none: `why` is set
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, renew_info& x) {
  return f(caf::meta::type_name("renew_info"), x.instance, x.info, x.why);
}

struct hang_up {
  instance_id instance;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, hang_up& x) {
  return f(caf::meta::type_name("hang_up"), x.instance);
}

/// Runs a command in the login shell of an instance. Answered by
/// `command_ended`.
struct run_command {
  instance_id instance;
  std::string command;
  int64_t timeout_ms = 0; ///< > 0 [ms]
  peer asker;
  bool by_helper = false;      ///< the command is what the helper is told
  std::string input_file = {}; ///< of this machine, for its standard input
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_command& x) {
  return f(caf::meta::type_name("run_command"), x.instance, x.command,
           x.timeout_ms, x.asker, x.by_helper, x.input_file);
}

/// Asks for the way to the helper of an instance. Answered by `stream_route`,
/// at once if the connection is up, else as soon as it is or the deadline
/// passes.
struct open_stream {
  instance_id instance;
  acquisition_key key;
  int64_t timeout_ms = 0; ///< > 0 [ms]
  peer asker;
  std::string temp_dir = {}; ///< of the job there; removed when it is cleaned
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, open_stream& x) {
  return f(caf::meta::type_name("open_stream"), x.instance, x.key, x.timeout_ms,
           x.asker, x.temp_dir);
}

/// Ends whatever is left of `key` at the instance. Answered by
/// `leftovers_ended`.
struct end_leftovers {
  instance_id instance;
  acquisition_key key;
  peer asker;
  int64_t timeout_ms = 60'000; ///< > 0 [ms]
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, end_leftovers& x) {
  return f(caf::meta::type_name("end_leftovers"), x.instance, x.key, x.asker,
           x.timeout_ms);
}

/// Answers `dial`.
struct dialed {
  instance_id instance;
  std::string host_key; ///< as the instance presented it: to be pinned
  caf::error why;       ///< not connected: `why` is set
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, dialed& x) {
  return f(caf::meta::type_name("dialed"), x.instance, x.host_key, x.why);
}

/// Tells the asker of `dial` that the connection of an instance is up again, or
/// that another try failed.
struct connection_health {
  instance_id instance;
  bool up = false;
  int32_t failures = 0;  ///< tries in a row
  bool given_up = false; ///< the failure threshold is reached
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, connection_health& x) {
  return f(caf::meta::type_name("connection_health"), x.instance, x.up,
           x.failures, x.given_up, x.why);
}

/// Tells the asker of `dial` that what is known of the way to the instance is
/// valid no more, or was refused. Answered by `renew_info`.
struct info_wanted {
  instance_id instance;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, info_wanted& x) {
  return f(caf::meta::type_name("info_wanted"), x.instance);
}

/// Answers `run_command`.
struct command_ended {
  instance_id instance;
  int32_t exit_code = 0;
  std::string error_output; ///< last lines of stderr
  caf::error why;           ///< not run to its end: `why` is set
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, command_ended& x) {
  return f(caf::meta::type_name("command_ended"), x.instance, x.exit_code,
           x.error_output, x.why);
}

/// Answers `open_stream`: where the stream has to be opened.
struct stream_route {
  acquisition_key key;
  uint64_t connection = 0;
  std::string socket_path;
  caf::error why;
  /// The server there forwards no sockets: this program, run with `connect`,
  /// leads to any of them. Empty: not needed.
  std::string bridge = {};
  /// No helper can run there, and why. Empty: one runs.
  std::string no_helper = {};
  /// The Engine's address for a helper here, which carries the plan out then.
  /// Empty, and there is no helper: plans are carried out over exec channels.
  std::string engine = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, stream_route& x) {
  return f(caf::meta::type_name("stream_route"), x.key, x.connection,
           x.socket_path, x.why, x.bridge, x.no_helper, x.engine);
}

/// Answers `end_leftovers`.
struct leftovers_ended {
  instance_id instance;
  acquisition_key key;
  bool clean = false; ///< proven: nothing is left
  std::string text;   ///< why not
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, leftovers_ended& x) {
  return f(caf::meta::type_name("leftovers_ended"), x.instance, x.key, x.clean,
           x.text);
}

using dialer_actor
  = caf::typed_actor<caf::reacts_to<dial>, caf::reacts_to<hang_up>,
                     caf::reacts_to<run_command>, caf::reacts_to<open_stream>,
                     caf::reacts_to<end_leftovers>, caf::reacts_to<renew_info>>;

// -- what the transport tells a connection (inputs) ---------------------------

/// The SSH session is up. `attempt` is the one it was begun for.
struct session_up {
  uint64_t attempt = 0;
  std::string host_key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, session_up& x) {
  return f(caf::meta::type_name("session_up"), x.attempt, x.host_key);
}

/// The SSH session could not be made, or broke.
struct session_down {
  uint64_t attempt = 0;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, session_down& x) {
  return f(caf::meta::type_name("session_down"), x.attempt, x.why);
}

/// A command on an exec channel ended.
struct exec_ended {
  uint64_t attempt = 0;
  uint64_t number = 0; ///< of the command
  int32_t exit_code = 0;
  std::string output;
  std::string error_output;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, exec_ended& x) {
  return f(caf::meta::type_name("exec_ended"), x.attempt, x.number, x.exit_code,
           x.output, x.error_output, x.why);
}

/// The helper answered on the control stream.
struct helper_up {
  uint64_t attempt = 0;
  std::string build; ///< the helper's version text
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, helper_up& x) {
  return f(caf::meta::type_name("helper_up"), x.attempt, x.build);
}

/// The control stream ended: the helper is gone, or the session with it.
struct helper_down {
  uint64_t attempt = 0;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, helper_down& x) {
  return f(caf::meta::type_name("helper_down"), x.attempt, x.why);
}

/// The helper's answer to a cleaning.
struct helper_cleaned {
  uint64_t attempt = 0;
  acquisition_key key;
  bool clean = false;
  std::string text;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, helper_cleaned& x) {
  return f(caf::meta::type_name("helper_cleaned"), x.attempt, x.key, x.clean,
           x.text);
}

/// A moment that a connection waits for.
struct connection_timer {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, connection_timer& x) {
  return f(caf::meta::type_name("connection_timer"), x.version);
}

/// The edge's view of a connection.
using session_listener_actor
  = caf::typed_actor<caf::reacts_to<session_up>, caf::reacts_to<session_down>,
                     caf::reacts_to<exec_ended>, caf::reacts_to<helper_up>,
                     caf::reacts_to<helper_down>,
                     caf::reacts_to<helper_cleaned>>;

using connection_actor = session_listener_actor::extend<
  caf::reacts_to<dial>, caf::reacts_to<hang_up>, caf::reacts_to<run_command>,
  caf::reacts_to<open_stream>, caf::reacts_to<end_leftovers>,
  caf::reacts_to<renew_info>, caf::reacts_to<connection_timer>>;

/// What who dialed an instance hears.
using dial_asker_actor
  = caf::typed_actor<caf::reacts_to<dialed>, caf::reacts_to<connection_health>,
                     caf::reacts_to<info_wanted>, caf::reacts_to<command_ended>,
                     caf::reacts_to<leftovers_ended>>;

/// What who asked for a stream hears.
using stream_asker_actor = caf::typed_actor<caf::reacts_to<stream_route>>;

} // namespace muster
