#pragma once

#include <caf/all.hpp>
#include <functional>
#include <utility>

namespace muster {

/// Sees what is sent to a stand-in.
using stand_in_ear
  = std::function<void(const caf::local_actor& to, caf::mailbox_element_ptr)>;

/// Plays somebody who does not run again: handles nothing, and lives as long as
/// the replay.
class stand_in : public caf::event_based_actor {
public:
  stand_in(caf::actor_config& cfg, stand_in_ear ear)
    : caf::event_based_actor(cfg),
      ear_(std::move(ear)) {
  }

  void enqueue(caf::mailbox_element_ptr what,
               caf::execution_unit* host) override {
    if (what->content().match_elements<caf::exit_msg>() && !what->sender) {
      caf::event_based_actor::enqueue(std::move(what), host); // the end of all
      return;
    }
    ear_(*this, std::move(what));
  }

  caf::behavior make_behavior() override {
    return {[](int) {}};
  }

private:
  stand_in_ear ear_;
};

} // namespace muster
