#pragma once

#include "executors/transport.hpp"

namespace muster {

/// Returns an id for a stream of a job, never used before in this process. The
/// low half of the numbers belongs to connections.
stream_id next_stream_id();

} // namespace muster
