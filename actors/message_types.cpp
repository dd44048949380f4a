#include "actors/message_types.hpp"

namespace muster {

message_system_config::message_system_config() {
  add_message_types<caf::id_block::muster>();
}

template <class T>
caf::mailbox_element_ptr
envelope(caf::strong_actor_ptr sender, caf::message_id id,
         caf::mailbox_element::forwarding_stack stages, T what) {
  return caf::mailbox_element_ptr{new caf::mailbox_element_vals<T>(
    std::move(sender), id, std::move(stages), std::move(what))};
}

#define MUSTER_TYPE(name)                                                      \
  template caf::mailbox_element_ptr envelope<name>(                            \
    caf::strong_actor_ptr, caf::message_id,                                    \
    caf::mailbox_element::forwarding_stack, name);
#include "messages/types.inc"
#undef MUSTER_TYPE

} // namespace muster

#define MUSTER_TYPE(name) MUSTER_CODE_OF(, muster::name)
#include "messages/types.inc"
#undef MUSTER_TYPE
