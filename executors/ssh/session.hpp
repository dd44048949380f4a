#pragma once

#include "executors/ssh/address.hpp"
#include "executors/ssh/auth.hpp"
#include "executors/ssh/channel.hpp"
#include "executors/ssh/options.hpp"
#include "executors/transport.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace muster::ssh {

/// Whom to reach, and as whom.
struct dial {
  address where;
  std::string user;
  shared_key key; ///< null: log in with the password
  std::string password;
  std::string pinned; ///< `TYPE BASE64`; empty: any host key
  milliseconds keepalive{30'000};
  milliseconds timeout{30'000}; ///< of all layers together
};

/// What sessions get from their reactor.
struct surroundings {
  const ssh_options& options;
  tally& counts;
  std::span<char> scratch; ///< for what is read and handed on at once
  int epoll = -1;          ///< sessions register their sockets here
};

/// One connection: its way through the layers, then its channels. Runs on the
/// reactor's thread alone; never blocks. Its sink is told exactly one end.
class session {
public:
  session(const surroundings& around, dial to,
          std::shared_ptr<connection_sink> sink, time_point now);

  ~session();

  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// `host:port`.
  const std::string& at() const {
    return at_;
  }

  /// The addresses of the host, or why there are none; then it waits for its
  /// turn.
  void resolved(result<std::vector<endpoint>, connection_errc> found,
                time_point now);

  bool waits_for_turn() const {
    return phase_ == phase::turn;
  }

  /// Its turn has come: begins to connect.
  void admit(time_point now);

  /// Whether it counts among the handshakes under way.
  bool in_handshake(time_point now) const;

  /// Goes as far as it can within its share.
  void visit(time_point now);

  /// Whether it could have gone on: visit it again soon.
  bool has_more() const {
    return more_;
  }

  /// When `expire` is to be called.
  time_point due() const;
  void expire(time_point now);

  /// Opens a channel as soon as it can.
  void open(std::shared_ptr<channel> what);

  /// The key that the server has presented; empty before that.
  const std::string& host_key() const {
    return host_key_;
  }

  /// Who takes a channel that the server refused beside others of its kind;
  /// returns false if nobody does.
  using take_over = std::function<bool(const std::shared_ptr<channel>&)>;

  void on_full(take_over what) {
    take_over_ = std::move(what);
  }

  /// Ends by itself when it has had no channel for a while.
  void end_when_idle() {
    ends_when_idle_ = true;
  }

  /// Ends the connection: tells all channels, then the sink.
  void end(const connection_failure& why);

  bool over() const {
    return phase_ == phase::over;
  }

private:
  enum class phase {
    name,
    turn,
    tcp,
    banner,
    key_exchange,
    authentication,
    established,
    over
  };

  // The layers: each returns whether the next one can go on at once.
  bool step();
  bool step_tcp();
  bool step_handshake();
  bool step_authentication();
  void connect_next();
  void connected();
  bool check_host_key();
  void handshake_broken();
  void enter(phase next, milliseconds limit);
  layer current_layer() const;

  // Established.
  void work();
  bool pump(channel_work& w);
  void open_next(channel_work& w);
  void run_channels(channel_work& w);
  bool pass_on(const std::shared_ptr<channel>& what);
  void note_idle();
  milliseconds keepalive_interval() const;
  void keep_alive();

  void update_interest();
  std::string said() const;

  const surroundings& around_;
  dial to_;
  std::string at_;
  std::shared_ptr<connection_sink> sink_;
  handle handle_;
  phase phase_ = phase::name;
  time_point now_;
  time_point layer_began_;
  time_point layer_until_;
  time_point until_; ///< of all layers together
  bool more_ = false;
  uint32_t interest_ = 0; ///< what epoll was told

  std::vector<endpoint> endpoints_;
  size_t endpoint_next_ = 0;
  int connecting_fd_ = -1;
  time_point endpoint_until_;
  int connect_error_ = 0;

  std::optional<authenticator> login_;
  std::string host_key_;

  std::deque<std::shared_ptr<channel>> opens_; ///< the front is being opened
  bool opening_ = false;
  time_point opening_until_;
  // sshd counts a session until it has handled all that it read together with
  // the end of it: a request for the next may be among that.
  bool session_ended_ = false; ///< since the last request for a channel
  bool room_soon_ = false;     ///< one had ended before the request under way
  std::vector<std::shared_ptr<channel>> channels_;
  size_t first_channel_ = 0; ///< who is served first: goes round
  time_point keepalive_due_ = time_point::max();
  time_point keepalive_sent_;
  int keepalives_unanswered_ = 0;

  take_over take_over_;
  bool ends_when_idle_ = false;
  time_point idle_until_ = time_point::max();
};

} // namespace muster::ssh
