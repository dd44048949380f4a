#pragma once

#include "messages/manager.hpp"
#include "messages/recording.hpp"

#include <caf/type_id.hpp>

CAF_BEGIN_TYPE_ID_BLOCK(muster, caf::first_custom_type_id)

#define MUSTER_TYPE(name) CAF_ADD_TYPE_ID(muster, (muster::name))
#include "messages/types.inc"
#undef MUSTER_TYPE

CAF_END_TYPE_ID_BLOCK(muster)
