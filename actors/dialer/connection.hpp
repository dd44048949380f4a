#pragma once

#include "actors/dialer/edge.hpp"
#include "actors/traced.hpp"
#include "messages/dialer.hpp"

#include <map>
#include <memory>
#include <vector>

namespace muster {

enum class connection_phase : uint8_t {
  idle,       ///< not dialed yet
  connecting, ///< SSH
  probing,    ///< is the helper there?
  uploading,  ///< it is being put there
  starting,   ///< that of this machine
  greeting,   ///< the control stream is being opened
  up,
  pausing,  ///< until the next try
  renewing, ///< the connect info is of no use: another is asked for
};

/// The session in force; ends with the actor, however that ends.
struct session_link {
  std::shared_ptr<const dial_edge> edge;
  uint64_t session = 0; ///< the attempt; also the transport's id; 0: none

  session_link() = default;
  session_link(const session_link&) = delete;
  session_link& operator=(const session_link&) = delete;

  ~session_link() {
    if (session != 0)
      edge->wire().disconnect(session);
  }
};

struct connection_state {
  connection_phase phase = connection_phase::idle;
  instance_id instance;
  connect_info info;
  bool is_refused = false; ///< with this info: it is renewed before a try
  int32_t failure_threshold = 3;
  peer owner; ///< the instance that dialed
  std::string pin_advice;
  bool answered = false; ///< `dialed` was sent
  int32_t failures = 0;  ///< tries in a row
  bool given_up = false;
  time_point give_up_from; ///< a first dial: its deadline; later: not before
  session_link link;
  uint64_t sessions_used = 0;
  uint64_t commands = 0; ///< numbers given to commands
  std::string host_key;
  time_point greet_by;        ///< while `greeting`: the helper answers by then
  std::string socket_path;    ///< of the helper
  std::string program;        ///< the helper itself
  bool unpacks = false;       ///< it can be sent packed
  bool is_bridged = false;    ///< the server forwards no sockets
  std::string no_helper;      ///< why there is none; empty: there is
  bool in_containers = false; ///< see `dial`
  std::string engine_host;    ///< likewise
  /// Set: a helper of this machine serves the instance, by this way to its
  /// Engine.
  std::shared_ptr<local::engine_bridge> engine;
  uint64_t timer = 0;
  struct waiting_stream {
    open_stream what;
    time_point by;
  };
  std::vector<waiting_stream> streams;
  /// How often a job was shown the way on this session, by its key. One that
  /// comes again and again tells that the helper's socket is not there any
  /// more.
  std::map<std::string, int> routed;
  struct waiting_clean {
    end_leftovers what;
    time_point by;
    bool sent = false;
  };
  std::vector<waiting_clean> cleans;
  std::map<uint64_t, run_command> running;
  std::map<uint64_t, acquisition_key> sweeps;       ///< without a helper
  std::map<acquisition_key, std::string> temp_dirs; ///< of jobs, likewise
  const char* name = "connection";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, connection_state& x) {
  return f(caf::meta::type_name("connection_state"), x.phase, x.instance,
           x.failures, x.given_up, x.link.session);
}

/// Room for the sessions of one connection in the transport's ids.
constexpr int session_id_bits = 24;

/// The connection to one instance, for all jobs of this manager there. Spawned
/// and kept by the dialer, which it monitors. Keeps the SSH session and the
/// helper there up, makes both again with a growing pause when they break, and
/// answers whoever waits for them. `id_base` keeps its transport ids apart from
/// those of other connections.
connection_actor spawn_connection(const spawner& at, dialer_actor parent,
                                  std::shared_ptr<const dial_edge> edge,
                                  uint64_t id_base);

} // namespace muster
