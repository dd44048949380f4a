#pragma once

#include "actors/virtual_time.hpp"

#include <caf/all.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

/// What a probe has been told: the messages in order, and who died.
struct probe_log {
  std::vector<caf::message> messages;
  std::vector<caf::error> downs;
};

/// An actor of the test's own: keeps what it is told, answers nothing.
template <class Interface>
struct probe {
  Interface handle;
  std::shared_ptr<probe_log> log;

  template <class Message>
  std::vector<Message> all() const {
    std::vector<Message> found;
    for (const auto& x : log->messages)
      if (x.template match_elements<Message>())
        found.push_back(x.template get_as<Message>(0));
    return found;
  }

  template <class Message>
  size_t count() const {
    return all<Message>().size();
  }

  /// The newest message of a kind; a default one if there is none.
  template <class Message>
  Message last() const {
    auto found = all<Message>();
    return found.empty() ? Message{} : found.back();
  }

  void clear() const {
    log->messages.clear();
  }
};

/// Virtual time with actors of the test's own: every message is delivered
/// before a call returns.
class virtual_system : public virtual_time {
public:
  ~virtual_system();

  /// Takes an actor under test; it is stopped with the system.
  template <class Handle>
  Handle take(Handle made) {
    keep(made);
    run();
    return made;
  }

  /// Spawns one that has no `spawn_...` of its own.
  template <class... Ts>
  auto spawn(Ts&&... xs) {
    return take(sys.spawn(std::forward<Ts>(xs)...));
  }

  /// Spawns an actor that stands for a peer and keeps what it is told.
  template <class Interface>
  probe<Interface> spawn_probe() {
    auto made = spawn_probe_now<Interface>();
    run();
    return made;
  }

  /// The same within a handler: delivers nothing.
  template <class Interface>
  probe<Interface> spawn_probe_now() {
    auto log = std::make_shared<probe_log>();
    return {caf::actor_cast<Interface>(spawn_logger(log)), log};
  }

  /// Spawns an actor that does nothing but live.
  caf::actor spawn_idle();

  template <class Handle, class Message>
  void send(const Handle& to, Message what) {
    caf::anon_send(to, std::move(what));
    run();
  }

  /// Kills an actor: what its peers see when it fails.
  template <class Handle>
  void stop(const Handle& who, caf::exit_reason why = caf::exit_reason::kill) {
    caf::anon_send_exit(who, why);
    run();
  }

  /// Ends an actor with an error of its own.
  template <class Handle>
  void fail(const Handle& who, caf::error why) {
    caf::anon_send(caf::actor_cast<caf::actor>(who),
                   caf::exit_msg{caf::actor_addr{}, std::move(why)});
    run();
  }

  template <class Handle>
  void keep(const Handle& x) {
    kept(caf::actor_cast<caf::actor>(x));
  }

private:
  caf::actor spawn_logger(const std::shared_ptr<probe_log>& log);
  caf::actor kept(caf::actor x);

  std::vector<caf::actor> owned_;
};

} // namespace muster::test
