#pragma once

#include "executors/helper/frames.hpp"
#include "executors/shells/marked_sink.hpp"
#include "executors/shells/remote.hpp"
#include "executors/transport.hpp"

#include <memory>
#include <string>
#include <utility>

namespace muster {

/// Opens a stream to a helper and greets it: to its socket, or, where the
/// server forwards none, through the program `bridge` there.
inline void open_helper_stream(transport& wire, connection_id connection,
                               stream_id id, const std::string& socket_path,
                               const std::string& bridge, uint32_t version,
                               std::shared_ptr<stream_sink> sink) {
  if (bridge.empty())
    wire.open_stream(connection, id, socket_path, std::move(sink));
  else
    open_marked_command(wire, connection, id,
                        remote::bridge_command(bridge, socket_path),
                        std::move(sink));
  wire.send(id, frames::encode(frames::hello{version}));
}

} // namespace muster
