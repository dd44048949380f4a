#pragma once

#include "actors/clock.hpp"
#include "messages/errors.hpp"
#include "messages/peer.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster {

static_assert(std::is_same_v<time_point, caf::actor_clock::time_point>);

/// Shows the state of an actor; called between two messages.
using state_text = std::string (*)(const caf::local_actor&);

/// The one door for every message of a deciding actor. The recorder of a live
/// run, replays and simulations set theirs before the first spawn.
class delivery {
public:
  virtual ~delivery() = default;

  /// Takes a message that was sent off its normal path and returns true, or
  /// leaves it.
  virtual bool hold(caf::actor_control_block* to,
                    caf::mailbox_element_ptr& what)
    = 0;

  /// Sees a message that is about to be handled.
  virtual void handling(const caf::local_actor& self,
                        const caf::mailbox_element& what)
    = 0;

  /// It is told what an actor is: its role, below that of `parent` if there is
  /// one (0: none). A deciding actor begins with it; an edge, which has no
  /// `show`, is told of by who has spawned it.
  virtual void born(const caf::strong_actor_ptr& /*who*/,
                    const std::string& /*role*/, caf::actor_id /*parent*/,
                    state_text /*show*/) {
  }

  /// An actor has ended; called once for each that was born.
  virtual void ended(const caf::local_actor& /*self*/,
                     const caf::error& /*why*/) {
  }

  /// Sees a message that is sent to an edge, in the thread of the sender.
  virtual void sent(const caf::local_actor& /*to*/,
                    const caf::mailbox_element& /*what*/) {
  }

  /// A deciding actor remarks something about what it is handling: for people
  /// and programs that read a recording, for no decision.
  virtual void note(const caf::local_actor& /*self*/,
                    const caf::message& /*what*/) {
  }
};

inline delivery* the_delivery = nullptr;

/// What this thread is at: null outside of a deciding actor's handlers.
struct handler_in_force {
  const caf::local_actor* self = nullptr;
  time_point now;
  bool is_timer = false; ///< the message is the actor's own, and has waited
};

inline thread_local handler_in_force the_handler;

/// Base of every deciding actor.
template <class Handle>
class traced : public Handle::base {
public:
  using super = typename Handle::base;
  using super::super;

  void enqueue(caf::mailbox_element_ptr what,
               caf::execution_unit* host) override {
    if (the_delivery != nullptr) {
      auto is_own = the_handler.self == this && what->sender == this->ctrl();
      const auto* posted = what.get();
      if (the_delivery->hold(this->ctrl(), what))
        return;
      // By its own thread, so no lock is needed.
      if (is_own)
        posted_.push_back(posted);
    }
    super::enqueue(std::move(what), host);
  }

  caf::invoke_message_result consume(caf::mailbox_element& what) override {
    now_ = this->clock().now();
    if (the_delivery == nullptr)
      return super::consume(what);
    in_force at{{this, now_, is_timer(what)}};
    the_delivery->handling(*this, what);
    return super::consume(what);
  }

  bool cleanup(caf::error&& why, caf::execution_unit* host) override {
    if (the_delivery != nullptr)
      the_delivery->ended(*this, why);
    return super::cleanup(std::move(why), host);
  }

  /// The time of the message being handled: the only clock of a decision.
  time_point now() {
    if (now_ == time_point{})
      now_ = this->clock().now();
    return now_;
  }

protected:
  void initialize() override {
    if (the_delivery == nullptr) {
      super::initialize();
      return;
    }
    in_force at{{this, now(), false}};
    super::initialize();
  }

private:
  struct in_force {
    handler_in_force outer;

    explicit in_force(const handler_in_force& x)
      : outer(std::exchange(the_handler, x)) {
    }

    in_force(const in_force&) = delete;
    in_force& operator=(const in_force&) = delete;

    ~in_force() {
      the_handler = outer;
    }
  };

  /// What an actor sends to itself it either posts while it handles something,
  /// or the clock does it for it.
  bool is_timer(const caf::mailbox_element& what) {
    if (what.sender != this->ctrl())
      return false;
    auto found = std::find(posted_.begin(), posted_.end(), &what);
    if (found == posted_.end())
      return true;
    posted_.erase(found);
    return false;
  }

  time_point now_;
  std::vector<const caf::mailbox_element*> posted_; ///< and not handled yet
};

/// Base of an edge, what deciding actors send to it is seen by the door.
template <class Handle>
class watched : public Handle::base {
public:
  using super = typename Handle::base;
  using super::super;

  void enqueue(caf::mailbox_element_ptr what,
               caf::execution_unit* host) override {
    if (the_delivery != nullptr)
      the_delivery->sent(*this, *what);
    super::enqueue(std::move(what), host);
  }

  bool cleanup(caf::error&& why, caf::execution_unit* host) override {
    if (the_delivery == nullptr)
      return super::cleanup(std::move(why), host);
    auto reason = why;
    auto is_first = super::cleanup(std::move(why), host);
    // Not before it counts as terminated: who has spawned it may only now tell
    // what it is.
    if (is_first)
      the_delivery->ended(*this, reason);
    return is_first;
  }
};

/// An actor with a state that goes when it ends. CAF's own would also compile
/// what reads and writes that state, wherever such an actor is spawned.
template <class State, class Base>
class stateful : public Base {
public:
  explicit stateful(caf::actor_config& x) : Base(x), state(state_) {
    new (&state_) State();
  }

  stateful(const stateful&) = delete;
  stateful& operator=(const stateful&) = delete;

  // Its state went with the actor's end; a default one would be deleted.
  // NOLINTNEXTLINE(modernize-use-equals-default)
  ~stateful() override {
  }

  void on_exit() final {
    state_.~State();
  }

  State& state;

private:
  union {
    State state_; // NOLINT(readability-identifier-naming)
  };
};

template <class Handle, class State>
using self_ptr = stateful<State, traced<Handle>>*;

template <class Handle, class State>
using watched_ptr = stateful<State, watched<Handle>>*;

/// Who spawns an actor: another one, or the program. Each deciding actor has a
/// `spawn_...` that takes it, so that what CAF makes of an actor is compiled
/// once.
class spawner {
public:
  // NOLINTNEXTLINE(google-explicit-constructor): both stand for it
  spawner(caf::local_actor* parent)
    : system_(parent->system()),
      context_(parent->context()) {
  }

  // NOLINTNEXTLINE(google-explicit-constructor)
  spawner(caf::actor_system& system) : system_(system) {
  }

  template <class Behave, class... Ts>
  auto spawn(Behave behave, Ts&&... xs) const {
    caf::actor_config with{context_};
    return system_.spawn_functor(std::true_type{}, with, behave,
                                 std::forward<Ts>(xs)...);
  }

private:
  caf::actor_system& system_;
  caf::execution_unit* context_ = nullptr;
};

/// Tells the door what a deciding actor is, first of all that it does. With a
/// parent, `role` is what distinguishes it below that one's.
template <class Self>
void plays(Self* self, const std::string& role,
           const caf::actor_addr& parent = {}) {
  if (the_delivery != nullptr)
    the_delivery->born(caf::strong_actor_ptr{self->ctrl()}, role,
                       parent ? parent.id() : 0, [](const caf::local_actor& x) {
                         return caf::deep_to_string(
                           dynamic_cast<const Self&>(x).state);
                       });
}

/// The same for an edge, by who has just spawned it: something may be sent to
/// it before its thread begins.
template <class Handle>
void plays_edge(const Handle& who, const std::string& role,
                const caf::actor_addr& parent = {}) {
  if (the_delivery != nullptr)
    the_delivery->born(caf::actor_cast<caf::strong_actor_ptr>(who), role,
                       parent ? parent.id() : 0, nullptr);
}

/// Writes a remark of a deciding actor down, a message like any other: a struct
/// with `inspect` and a type id. Costs nothing where nobody records; what is
/// dear to make is made only if `is_recorded()`.
template <class Self, class Message>
void note(const Self* self, const Message& what) {
  if (the_delivery != nullptr)
    the_delivery->note(*self, caf::make_message(what));
}

/// Whether somebody stands in the door.
inline bool is_recorded() {
  return the_delivery != nullptr;
}

/// Answers and reports go to the handle of a peer, as the interface it stands
/// for.
template <class Interface>
Interface as(const peer& x) {
  return caf::actor_cast<Interface>(x.handle);
}

template <class Self>
peer peer_of(const std::string& role, Self* self) {
  return {role, caf::actor_cast<caf::actor>(self)};
}

/// Sends a message to oneself later. It cannot be called back: it carries what
/// it was meant for, and the handler compares.
template <class Self, class Message>
void send_later(Self* self, time_point when, Message what) {
  auto now = self->now();
  auto wait = when > now ? when - now : time_point::duration{0};
  self->delayed_send(self, wait, std::move(what));
}

} // namespace muster
