#pragma once

#include "messages/type_ids.hpp"

#include <caf/all.hpp>

namespace muster {

/// An actor system's configuration that knows every message of ours.
struct message_system_config : caf::actor_system_config {
  message_system_config();
};

} // namespace muster

/// What CAF makes of a message: how it is kept, copied, shown, read and
/// written. Two thirds of what a file that sends a few messages would compile.
#define MUSTER_CODE_OF(linkage, type)                                          \
  linkage template class caf::detail::type_erased_value_impl<type>;            \
  linkage template class caf::detail::tuple_vals_impl<                         \
    caf::detail::message_data, type>;                                          \
  linkage template class caf::detail::tuple_vals_impl<caf::type_erased_tuple,  \
                                                      type>;                   \
  linkage template class caf::detail::tuple_vals<type>;

#define MUSTER_TYPE(name) MUSTER_CODE_OF(extern, muster::name)
#include "messages/types.inc"
#undef MUSTER_TYPE
