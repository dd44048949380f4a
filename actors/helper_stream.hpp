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
    wire.open_command(
      connection, id, {remote::bridge_command(bridge, socket_path), "", false},
      std::make_shared<marked_sink>(std::move(sink), [&wire, id] {
        wire.close_stream(id); // called by `wire`, so it is there
      }));
  wire.send(id, frames::encode(frames::hello{version}));
}

} // namespace muster
