#include "actors/message_types.hpp"

namespace muster {

message_system_config::message_system_config() {
  add_message_types<caf::id_block::muster>();
}

} // namespace muster

#define MUSTER_TYPE(name) MUSTER_CODE_OF(, muster::name)
#include "messages/types.inc"
#undef MUSTER_TYPE
