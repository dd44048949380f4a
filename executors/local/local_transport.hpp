#pragma once

#include "executors/local/socket_loop.hpp"
#include "executors/transport.hpp"

#include <map>
#include <memory>
#include <mutex>

namespace muster::local {

/// The connection to this machine itself: always there.
inline constexpr connection_id here = ~connection_id{0};

/// A transport that also opens streams to unix sockets of this machine; all
/// else is passed on to another transport.
class local_transport : public transport {
public:
  local_transport(std::shared_ptr<transport> other,
                  std::shared_ptr<socket_loop> loop)
    : other_(std::move(other)),
      loop_(std::move(loop)) {
  }

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

private:
  class user;

  struct stream {
    socket_id socket = 0;
    std::shared_ptr<stream_sink> sink;
  };

  /// Streams of this machine; shared with their users.
  struct table {
    std::mutex mutex;
    std::map<stream_id, stream> streams;
  };

  /// Returns the socket of a stream of ours; 0: it is none.
  socket_id socket_of(stream_id id) const;

  std::shared_ptr<transport> other_;
  std::shared_ptr<socket_loop> loop_;
  std::shared_ptr<table> table_ = std::make_shared<table>();
};

} // namespace muster::local
