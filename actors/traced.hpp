#pragma once

#include "actors/clock.hpp"
#include "messages/errors.hpp"
#include "messages/peer.hpp"

#include <caf/all.hpp>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>

namespace muster {

static_assert(std::is_same_v<time_point, caf::actor_clock::time_point>);

/// The one door for every message of a deciding actor. Live runs have none;
/// recorders, replays and simulations set theirs before the first spawn.
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
};

inline delivery* the_delivery = nullptr;

/// Base of every deciding actor.
template <class Handle>
class traced : public Handle::base {
public:
  using super = typename Handle::base;
  using super::super;

  void enqueue(caf::mailbox_element_ptr what,
               caf::execution_unit* host) override {
    if (the_delivery == nullptr || !the_delivery->hold(this->ctrl(), what))
      super::enqueue(std::move(what), host);
  }

  caf::invoke_message_result consume(caf::mailbox_element& what) override {
    now_ = this->clock().now();
    if (the_delivery != nullptr)
      the_delivery->handling(*this, what);
    return super::consume(what);
  }

  /// The time of the message being handled: the only clock of a decision.
  time_point now() {
    if (now_ == time_point{})
      now_ = this->clock().now();
    return now_;
  }

private:
  time_point now_;
};

template <class Handle, class State>
using self_ptr = caf::stateful_actor<State, traced<Handle>>*;

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
