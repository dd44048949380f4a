#pragma once

#include "actors/traced.hpp"

#include <atomic>
#include <caf/all.hpp>
#include <cstddef>
#include <functional>
#include <utility>

namespace muster {

/// Base of an edge whose mailbox is a queue to be watched. The peak is exact:
/// the depth is told before each message that is taken, and after it.
template <class Handle>
class gauged : public watched<Handle> {
public:
  using super = watched<Handle>;
  using super::super;

  /// Whom to tell, from the actor's own thread. Called by the actor as it
  /// begins.
  void tell_depth(std::function<void(size_t)> to) {
    told_ = std::move(to);
  }

  void enqueue(caf::mailbox_element_ptr what,
               caf::execution_unit* host) override {
    ++depth_;
    super::enqueue(std::move(what), host);
  }

  caf::invoke_message_result consume(caf::mailbox_element& what) override {
    tell(depth_--);
    auto out = super::consume(what);
    tell(depth_);
    return out;
  }

private:
  void tell(size_t depth) const {
    if (told_)
      told_(depth);
  }

  std::atomic<size_t> depth_{0};
  std::function<void(size_t)> told_;
};

template <class Handle, class State>
using gauged_ptr = stateful<State, gauged<Handle>>*;

} // namespace muster
