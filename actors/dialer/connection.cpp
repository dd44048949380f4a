#include "actors/dialer/connection.hpp"

#include "config/log.hpp"
#include "executors/local/local_transport.hpp"
#include "executors/shells/posix.hpp"
#include "executors/shells/remote.hpp"

#include <algorithm>
#include <chrono>

namespace muster {

namespace {

using namespace std::chrono_literals;

/// A broken connection is no removal: tries go on at least this long before the
/// instance is called unreachable.
constexpr auto patience = 10s;
constexpr auto renew_timeout = 60s;
/// For the helper's first words: one that is stopped or hangs says none.
constexpr auto greet_timeout = 30s;
/// Connect info is renewed so long before it expires (reference/autoscaling,
/// section 8) [s].
constexpr int64_t expiry_margin = 10;
/// Streams of one job that may break while the session and the helper seem up.
constexpr int streams_max = 3;
/// sshd takes no longer path of a unix socket [bytes].
constexpr size_t socket_path_max = 107;

/// 0.2 s, 0.4 s, ... at most 10 s between tries.
time_point::duration pause_after(int32_t failures) {
  auto shift = std::clamp(failures - 1, 0, 6);
  return std::min<time_point::duration>(200ms * (1 << shift), 10s);
}

struct driver {
  self_ptr<connection_actor, connection_state> self;
  std::shared_ptr<const dial_edge> edge;
  uint64_t id_base;

  connection_state& st() const {
    return self->state;
  }

  session_listener_actor me() const {
    return caf::actor_cast<session_listener_actor>(self);
  }

  void arm(time_point at) const {
    send_later(self, at, connection_timer{++st().timer});
  }

  // The timer serves the pause, the greeting and the deadlines of the rows
  // alike.
  void arm_next() const {
    auto next = self->now() + 1h;
    if (st().phase == connection_phase::greeting)
      next = std::min(next, st().greet_by);
    for (const auto& x : st().streams)
      next = std::min(next, x.by);
    for (const auto& x : st().cleans)
      next = std::min(next, x.by);
    if (st().phase != connection_phase::pausing
        && st().phase != connection_phase::renewing)
      arm(next);
  }

  /// Credentials of a cloud may be valid for a minute only.
  bool has_expired() const {
    auto at = st().info.expires_at;
    return at != 0 && at < edge->unix_seconds() + expiry_margin;
  }

  /// Why what is known of the way is asked for anew.
  const char* stale() const {
    return has_expired() ? "connect info expired"
                         : "authentication was refused";
  }

  /// Connects, with fresh connect info if need be: a provider may have replaced
  /// a key that it gave before.
  void begin_try() const {
    if (!(has_expired() || st().is_refused) || !st().owner.handle) {
      begin_session();
      return;
    }
    st().phase = connection_phase::renewing;
    self->send(as<dial_asker_actor>(st().owner), info_wanted{st().instance});
    arm(self->now() + renew_timeout);
  }

  void renew(const renew_info& x) const {
    auto& s = st();
    if (!x.why) {
      s.is_refused = false;
      auto pinned = std::exchange(s.info, x.info).host_key;
      if (s.info.host_key.empty())
        s.info.host_key = pinned;
    }
    if (s.phase != connection_phase::renewing)
      return;
    if (x.why)
      failed(error_of(connection_errc::not_authenticated,
                      std::string{stale()}
                        + ", and there is no other way: " + text_of(x.why)));
    else
      begin_session();
  }

  void begin_session() const {
    st().phase = connection_phase::connecting;
    st().link.session = id_base + ++st().sessions_used;
    edge->connect(st().link.session, st().info, me());
    arm_next();
  }

  void dial(const muster::dial& x) const {
    st().owner = x.asker;
    st().pin_advice = x.pin_advice;
    st().in_containers = x.in_containers;
    st().engine_host = x.engine_host;
    if (st().phase != connection_phase::idle && !st().given_up) {
      adopt();
      return;
    }
    st().given_up = false;
    st().failures = 0;
    st().answered = false;
    st().instance = x.instance;
    st().info = x.info;
    st().failure_threshold = std::max(1, x.failure_threshold);
    st().give_up_from
      = self->now() + std::chrono::milliseconds{x.info.timeout_ms};
    if (!edge->problem().empty()) {
      give_up(error_of(connection_errc::helper_unavailable, edge->problem()));
      return;
    }
    begin_try();
  }

  /// The instance's actor is another one: it is told as if it had dialed first.
  void adopt() const {
    st().answered = st().phase == connection_phase::up;
    if (st().answered)
      self->send(as<dial_asker_actor>(st().owner),
                 dialed{st().instance, st().host_key, {}});
  }

  // -- failing ----------------------------------------------------------------

  void failed(caf::error why) const {
    auto& s = st();
    if (s.phase == connection_phase::idle || s.given_up)
      return;
    if (is(why, connection_errc::host_key_mismatch) && !s.pin_advice.empty())
      why = error_of(connection_errc::host_key_mismatch,
                     text_of(why) + s.pin_advice);
    if (s.phase == connection_phase::up)
      s.give_up_from = self->now() + patience;
    s.is_refused |= is(why, connection_errc::not_authenticated);
    if (s.engine)
      edge->wire().close_stream(control());
    edge->wire().disconnect(s.link.session);
    s.link.session = 0;
    auto running = std::exchange(s.running, {});
    s.routed.clear();
    s.sweeps.clear();
    for (auto& x : s.cleans)
      x.sent = false;
    ++s.failures;
    log::warning("connection to the instance failed",
                 {{"instance", s.instance.value},
                  {"failures", std::to_string(s.failures)},
                  {"err", text_of(why)}});
    if (hopeless(why)) {
      give_up(why);
    } else {
      tell_health(false, why);
      s.phase = connection_phase::pausing;
      arm(self->now() + pause_after(s.failures));
    }
    // Who hears of a command knows by now that it is the connection.
    for (const auto& [number, x] : running)
      self->send(as<dial_asker_actor>(x.asker),
                 command_ended{x.instance, -1, "", why});
  }

  bool hopeless(const caf::error& why) const {
    const auto& s = st();
    if (is(why, connection_errc::host_key_mismatch)
        || is(why, connection_errc::helper_unavailable))
      return true;
    return self->now() >= s.give_up_from && s.failures >= s.failure_threshold;
  }

  void give_up(const caf::error& why) const {
    auto& s = st();
    s.given_up = true;
    s.phase = connection_phase::pausing;
    tell_health(false, why);
    if (!s.answered)
      self->send(as<dial_asker_actor>(s.owner),
                 dialed{s.instance, s.host_key, why});
    s.answered = true;
    for (const auto& x : std::exchange(s.streams, {}))
      refuse(x.what, why);
    for (const auto& x : std::exchange(s.cleans, {}))
      not_clean(x.what, text_of(why));
  }

  void tell_health(bool up, const caf::error& why) const {
    const auto& s = st();
    if (s.owner.handle)
      self->send(
        as<dial_asker_actor>(s.owner),
        connection_health{s.instance, up, s.failures, s.given_up, why});
  }

  // -- coming up --------------------------------------------------------------

  void probe() const {
    if (st().engine) { // jobs are with the helper of this machine
      start_here();
      return;
    }
    st().phase = connection_phase::probing;
    edge->probe_helper(st().link.session, ++st().commands, me());
  }

  void bootstrap_ended(const exec_ended& x) const {
    auto& s = st();
    if (x.why) {
      failed(x.why);
      return;
    }
    auto answer = read_bootstrap(x.output);
    if (!answer.socket_path.empty()) {
      if (!s.engine)
        s.no_helper.clear();
      s.socket_path = answer.socket_path;
      s.program = answer.program;
      greet();
    } else if (s.phase == connection_phase::probing
               && answer.platform == "Linux x86_64") {
      s.unpacks = answer.unpacks;
      upload(1);
    } else if (answer.packed > 0) {
      log::warning("muster-helper cannot be unpacked on the instance, for want "
                   "of room or by its gzip: it is sent as it is",
                   {{"instance", s.instance.value}, {"err", x.error_output}});
      s.unpacks = false;
      upload(answer.packed);
    } else if (answer.full > 0) {
      upload(answer.full + 1);
    } else if (s.phase == connection_phase::starting) {
      failed(error_of(connection_errc::helper_unavailable,
                      "muster-helper cannot run on the instance (" + s.no_helper
                        + "), nor on this machine: " + x.output));
    } else if (!answer.obstacle.empty()) {
      go_without(answer.obstacle);
    } else if (s.phase == connection_phase::probing
               && !answer.platform.empty()) {
      go_without("there is none for its platform, " + answer.platform);
    } else {
      failed(error_of(connection_errc::channel_refused,
                      "muster-helper did not start on instance "
                        + s.instance.value + " (exit code "
                        + std::to_string(x.exit_code)
                        + "): " + x.error_output));
    }
  }

  void upload(int place) const {
    st().phase = connection_phase::uploading;
    edge->upload_helper(st().link.session, ++st().commands, place, st().unpacks,
                        me());
  }

  /// The control stream's id; the one through a bridge is another, as is the
  /// one to the helper of this machine.
  stream_id control() const {
    constexpr stream_id bridged = stream_id{1} << 61;
    constexpr stream_id here = stream_id{1} << 60;
    return st().link.session + (st().is_bridged ? bridged : 0)
           + (st().engine ? here : 0);
  }

  /// Where the helper's streams go.
  connection_id helper_at() const {
    return st().engine ? local::here : st().link.session;
  }

  std::string bridge() const {
    return st().is_bridged ? st().program : "";
  }

  void greet() const {
    st().phase = connection_phase::greeting;
    st().greet_by = self->now() + greet_timeout;
    arm_next();
    edge->open_control(st().link.session, helper_at(), control(),
                       st().socket_path, bridge(), me());
  }

  void helper_lost(const helper_down& x) const {
    auto& s = st();
    // The helper has just said that it listens: sshd forbids the way there.
    if (s.phase == connection_phase::greeting && !s.is_bridged
        && !s.program.empty() && is(x.why, connection_errc::channel_refused)) {
      s.is_bridged = true;
      auto is_long = s.socket_path.size() > socket_path_max;
      log::info(std::string{is_long
                              ? "the home on the instance is too deep for a "
                                "socket to be forwarded"
                              : "sshd on the instance forwards no sockets"}
                  + ": the helper is reached over exec channels",
                {{"instance", s.instance.value}});
      greet();
      return;
    }
    failed(x.why);
  }

  void go_without(const std::string& why) const {
    if (st().in_containers && edge->works_here()) {
      go_here(why);
      return;
    }
    if (st().no_helper != why)
      log::warning("muster-helper cannot run on the instance: its jobs are "
                   "carried out over SSH and cannot outlive the connection",
                   {{"instance", st().instance.value}, {"err", why}});
    st().no_helper = why;
    came_up();
  }

  /// The same helper carries the jobs out from here: all that they need of the
  /// instance is its Engine.
  void go_here(const std::string& why) const {
    auto& s = st();
    s.no_helper = why;
    auto made = edge->make_bridge(s.instance, s.engine_host);
    if (!made) {
      failed(error_of(connection_errc::helper_unavailable,
                      "muster-helper cannot run on the instance (" + why
                        + "), and its Engine cannot be reached from here: "
                        + made.error().text));
      return;
    }
    s.engine = std::move(*made);
    log::warning("muster-helper cannot run on the instance: its jobs are "
                 "carried out from here and cannot outlive muster",
                 {{"instance", s.instance.value}, {"err", why}});
    start_here();
  }

  void start_here() const {
    auto& s = st();
    s.engine->use(s.link.session);
    s.phase = connection_phase::starting;
    edge->start_here(s.link.session, ++s.commands, me());
  }

  void came_up() const {
    auto& s = st();
    auto again = s.answered;
    s.phase = connection_phase::up;
    s.failures = 0;
    if (again)
      tell_health(true, {});
    else
      self->send(as<dial_asker_actor>(s.owner),
                 dialed{s.instance, s.host_key, {}});
    s.answered = true;
    for (const auto& x : std::exchange(s.streams, {}))
      route(x.what);
    for (auto& x : s.cleans)
      send_clean(x);
    arm_next();
  }

  // -- those who wait ---------------------------------------------------------

  bool has_helper() const {
    return st().no_helper.empty() || st().engine;
  }

  /// The Engine's address for the helper of this machine.
  std::string engine_address() const {
    return st().engine ? "bridge://" + st().engine->socket_path() : "";
  }

  void refuse(const open_stream& x, const caf::error& why) const {
    self->send(as<stream_asker_actor>(x.asker),
               stream_route{x.key, 0, "", why, "", ""});
  }

  void route(const open_stream& x) const {
    ++st().routed[x.key.value];
    self->send(as<stream_asker_actor>(x.asker),
               stream_route{x.key,
                            helper_at(),
                            has_helper() ? st().socket_path : "",
                            {},
                            bridge(),
                            st().no_helper,
                            engine_address()});
  }

  void not_clean(const end_leftovers& x, const std::string& text) const {
    self->send(as<dial_asker_actor>(x.asker),
               leftovers_ended{x.instance, x.key, false, text});
  }

  void send_clean(connection_state::waiting_clean& x) const {
    x.sent = true;
    const auto& key = x.what.key;
    if (has_helper()) {
      edge->clean(control(), key);
      return;
    }
    auto number = ++st().commands;
    st().sweeps[number] = key;
    edge->sweep(st().link.session, number, key, st().temp_dirs[key], me());
  }

  void open(const open_stream& x) const {
    auto& s = st();
    if (!x.temp_dir.empty())
      s.temp_dirs[x.key] = x.temp_dir;
    // A job that removes the helper's files leaves it running, out of reach.
    if (s.phase == connection_phase::up && has_helper()
        && s.routed[x.key.value] >= streams_max)
      failed(error_of(connection_errc::channel_refused,
                      "no stream to muster-helper at " + s.socket_path
                        + " stays open: it is started again"));
    if (s.phase == connection_phase::up) {
      route(x);
    } else if (s.given_up) {
      refuse(x, error_of(connection_errc::unreachable,
                         "instance " + x.instance.value
                           + " does not answer any more"));
    } else {
      s.streams.push_back(
        {x, self->now() + std::chrono::milliseconds{x.timeout_ms}});
      arm_next();
    }
  }

  void clean(const end_leftovers& x) const {
    auto& s = st();
    s.routed.erase(x.key.value);
    if (s.given_up) {
      not_clean(x, "the instance does not answer any more");
      return;
    }
    s.cleans.push_back(
      {x, self->now() + std::chrono::milliseconds{x.timeout_ms}});
    if (s.phase == connection_phase::up)
      send_clean(s.cleans.back());
    if (s.cleans.size() == 1)
      arm_next();
  }

  void cleaned(const helper_cleaned& x) const {
    auto& rows = st().cleans;
    auto row = std::find_if(rows.begin(), rows.end(),
                            [&](const auto& y) { return y.what.key == x.key; });
    if (row == rows.end())
      return;
    if (!x.clean)
      log::warning("a slot could not be proven clean",
                   {{"instance", st().instance.value},
                    {"key", x.key.value},
                    {"err", x.text}});
    self->send(as<dial_asker_actor>(row->what.asker),
               leftovers_ended{row->what.instance, x.key, x.clean, x.text});
    rows.erase(row);
    st().temp_dirs.erase(x.key);
  }

  void swept(const exec_ended& x) const {
    auto key = st().sweeps.extract(x.number).mapped();
    auto answer = remote::read_sweep(x.output);
    if (x.why)
      answer = {false, text_of(x.why)};
    cleaned({x.attempt, key, answer.clean, answer.text});
  }

  void run(const run_command& x) const {
    auto& s = st();
    if (s.phase != connection_phase::up) {
      self->send(as<dial_asker_actor>(x.asker),
                 command_ended{x.instance, -1, "",
                               error_of(connection_errc::lost,
                                        "the instance is not connected")});
      return;
    }
    if (x.by_helper && !has_helper()) {
      self->send(as<dial_asker_actor>(x.asker),
                 command_ended{
                   x.instance, -1, "",
                   error_of(connection_errc::helper_unavailable,
                            "muster-helper cannot run there: " + s.no_helper)});
      return;
    }
    auto number = ++s.commands;
    s.running[number] = x;
    if (x.by_helper && s.engine) {
      edge->run_here(s.link.session, number,
                     x.command + " --host " + posix::quote(engine_address()),
                     x.input_file, me());
      return;
    }
    auto command
      = x.by_helper ? posix::quote(s.program) + ' ' + x.command : x.command;
    edge->exec(s.link.session, number, std::move(command), "",
               std::chrono::milliseconds{x.timeout_ms}, me(), x.input_file);
  }

  void ended(const exec_ended& x) const {
    if (st().sweeps.count(x.number) > 0) {
      swept(x);
      return;
    }
    auto found = st().running.find(x.number);
    if (found == st().running.end())
      return;
    self->send(as<dial_asker_actor>(found->second.asker),
               command_ended{found->second.instance, x.exit_code,
                             x.error_output, x.why});
    st().running.erase(found);
  }

  void on_timer() const {
    auto& s = st();
    auto now = self->now();
    auto late = [now](const auto& x) { return x.by <= now; };
    for (const auto& x : s.streams)
      if (late(x))
        refuse(x.what,
               error_of(connection_errc::timed_out,
                        "no connection to instance " + x.what.instance.value
                          + " within "
                          + std::to_string(x.what.timeout_ms / 1000) + " s"));
    std::erase_if(s.streams, late);
    for (const auto& x : s.cleans)
      if (late(x))
        not_clean(x.what, "the helper did not answer within "
                            + std::to_string(x.what.timeout_ms / 1000) + " s");
    std::erase_if(s.cleans, late);
    if (s.phase == connection_phase::idle && s.streams.empty()
        && s.cleans.empty()) {
      self->quit(); // nobody has dialed, and nobody waits any more
      return;
    }
    if (s.phase == connection_phase::renewing)
      failed(error_of(connection_errc::timed_out,
                      std::string{stale()}
                        + ", and the provider named no other way within 60 s"));
    else if (s.phase == connection_phase::greeting && s.greet_by <= now)
      failed(error_of(connection_errc::timed_out,
                      "muster-helper at " + s.socket_path
                        + " does not answer within 30 s"));
    else if (s.phase == connection_phase::pausing && !s.given_up)
      begin_try();
    else
      arm_next();
  }
};

connection_actor::behavior_type
behave(self_ptr<connection_actor, connection_state> self,
       const dialer_actor& parent, std::shared_ptr<const dial_edge> edge,
       uint64_t id_base) {
  plays(self, "connection:" + std::to_string(id_base >> session_id_bits),
        parent.address());
  driver d{self, std::move(edge), id_base};
  self->monitor(parent);
  self->set_down_handler(
    [self](const caf::down_msg& x) { self->quit(x.reason); });
  self->state.link.edge = d.edge;
  auto current = [self](uint64_t attempt) {
    return attempt == self->state.link.session && attempt != 0;
  };
  return {
    [d, current](const session_up& x) {
      if (!current(x.attempt))
        return;
      d.st().host_key = x.host_key;
      d.st().info.host_key = x.host_key; // pinned from now on
      d.probe();
    },
    [d, current](const session_down& x) {
      if (current(x.attempt))
        d.failed(x.why);
    },
    [d, current](const exec_ended& x) {
      if (!current(x.attempt))
        return;
      if (x.number == d.st().commands
          && (d.st().phase == connection_phase::probing
              || d.st().phase == connection_phase::uploading
              || d.st().phase == connection_phase::starting))
        d.bootstrap_ended(x);
      else
        d.ended(x);
    },
    [d, current](const helper_up& x) {
      if (current(x.attempt) && d.st().phase == connection_phase::greeting)
        d.came_up();
    },
    [d, current](const helper_down& x) {
      if (current(x.attempt))
        d.helper_lost(x);
    },
    [d, current](const helper_cleaned& x) {
      if (current(x.attempt))
        d.cleaned(x);
    },
    [d](const dial& x) { d.dial(x); },
    [self](const hang_up&) { self->quit(); },
    [d](const run_command& x) { d.run(x); },
    [d](const open_stream& x) { d.open(x); },
    [d](const end_leftovers& x) { d.clean(x); },
    [d](const renew_info& x) { d.renew(x); },
    [d](const connection_timer& x) {
      if (x.version == d.st().timer)
        d.on_timer();
    },
  };
}

} // namespace

connection_actor spawn_connection(const spawner& at, dialer_actor parent,
                                  std::shared_ptr<const dial_edge> edge,
                                  uint64_t id_base) {
  return at.spawn(behave, std::move(parent), std::move(edge), id_base);
}

} // namespace muster
