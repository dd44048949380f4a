#pragma once

#include <caf/actor.hpp>
#include <caf/meta/type_name.hpp>
#include <string>

namespace muster {

/// A role with a handle: the only form in which an actor stands in a message.
/// Printed and recorded as the role alone.
struct peer {
  std::string role; ///< `runner:a/group/instance:i-1/slot:0`
  caf::actor handle;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, peer& x) {
  return f(caf::meta::type_name("peer"), x.role, x.handle);
}

inline std::string to_string(const peer& x) {
  return x.role;
}

} // namespace muster
