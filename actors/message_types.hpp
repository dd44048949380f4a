#pragma once

#include "messages/type_ids.hpp"

#include <caf/all.hpp>
#include <type_traits>
#include <utility>

namespace muster {

/// An actor system's configuration that knows every message of ours.
struct message_system_config : caf::actor_system_config {
  message_system_config();
};

template <class T>
inline constexpr bool is_message_type = false;

#define MUSTER_TYPE(name)                                                      \
  template <>                                                                  \
  inline constexpr bool is_message_type<name> = true;
#include "messages/types.inc"
#undef MUSTER_TYPE

/// A message of ours in its envelope. What CAF makes of each (how it is kept,
/// copied, shown, read and written) is compiled once, in message_types.cpp: two
/// thirds of what a file that sends a few messages would compile.
template <class T>
caf::mailbox_element_ptr
envelope(caf::strong_actor_ptr sender, caf::message_id id,
         caf::mailbox_element::forwarding_stack stages, T what);

/// CAF's `send` finds this one, by the message's namespace, before its own.
template <class T>
requires is_message_type<std::remove_cvref_t<T>> caf::mailbox_element_ptr
make_mailbox_element(caf::strong_actor_ptr sender, caf::message_id id,
                     caf::mailbox_element::forwarding_stack stages, T&& what) {
  return envelope<std::remove_cvref_t<T>>(
    std::move(sender), id, std::move(stages), std::forward<T>(what));
}

} // namespace muster

/// The same for a message without an envelope.
#define MUSTER_CODE_OF(linkage, type)                                          \
  linkage template class caf::detail::type_erased_value_impl<type>;            \
  linkage template class caf::detail::tuple_vals_impl<                         \
    caf::detail::message_data, type>;                                          \
  linkage template class caf::detail::tuple_vals<type>;

#define MUSTER_TYPE(name) MUSTER_CODE_OF(extern, muster::name)
#include "messages/types.inc"
#undef MUSTER_TYPE
