#pragma once

#include "executors/ssh/options.hpp"
#include "executors/transport.hpp"

#include <memory>

namespace muster {

namespace ssh {
class reactor;
}

/// The transport over SSH: one thread with libssh2 in non-blocking mode for all
/// connections. Sinks and callbacks are called from that thread alone and may
/// call any function of the transport.
///
/// More than `transport` promises: commands and streams may be asked for while
/// the connection is still being made, they wait for it. `disconnect` ends the
/// connection's sink too, with `failed` or `lost` and the code `closed`.
class ssh_transport final : public transport {
public:
  /// Starts the thread. Throws std::system_error if the system has no thread or
  /// descriptor left.
  explicit ssh_transport(ssh_options options = {});

  /// Ends all connections, streams and commands with `closed`, and the thread.
  /// Must not be called from a sink.
  ~ssh_transport() override;

  void connect(connection_id id, const connect_info& target,
               std::chrono::milliseconds timeout,
               std::shared_ptr<connection_sink> sink) override;
  void disconnect(connection_id id) override;
  void exec(connection_id id, exec_request what, exec_callback done) override;
  void open_stream(connection_id connection, stream_id id,
                   const std::string& socket_path,
                   std::shared_ptr<stream_sink> sink) override;
  void open_command(connection_id connection, stream_id id,
                    command_request what,
                    std::shared_ptr<stream_sink> sink) override;
  void send(stream_id id, std::string bytes) override;
  void end_input(stream_id id) override;
  void resume(stream_id id) override;
  void close_stream(stream_id id) override;

  /// What was done so far; from any thread.
  ssh_counters counters() const;

private:
  std::unique_ptr<ssh::reactor> reactor_;
};

} // namespace muster
