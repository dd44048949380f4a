#pragma once

#include "executors/transport.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

/// A transport whose other end is the test: keeps what it was asked, and the
/// test calls the sinks.
class scripted_transport : public transport {
public:
  struct command {
    connection_id connection = 0;
    exec_request what;
    exec_callback done;
  };

  struct stream {
    connection_id connection = 0;
    std::string path; ///< of the socket
    command_request command;
    std::shared_ptr<stream_sink> sink;
    std::string sent;
    bool is_closed = false;
    bool input_ended = false;
  };

  void connect(connection_id id, const connect_info& target,
               std::chrono::milliseconds,
               std::shared_ptr<connection_sink> sink) override {
    targets.push_back(target);
    connections.emplace_back(id, std::move(sink));
  }

  void disconnect(connection_id id) override {
    disconnected.push_back(id);
  }

  void exec(connection_id id, exec_request what, exec_callback done) override {
    commands.push_back({id, std::move(what), std::move(done)});
  }

  void open_stream(connection_id connection, stream_id id,
                   const std::string& path,
                   std::shared_ptr<stream_sink> sink) override {
    opened.push_back(id);
    streams[id] = {connection, path, {}, std::move(sink), "", false};
  }

  void open_command(connection_id connection, stream_id id,
                    command_request what,
                    std::shared_ptr<stream_sink> sink) override {
    opened.push_back(id);
    streams[id] = {connection, "", std::move(what), std::move(sink), "", false};
  }

  void send(stream_id id, std::string bytes) override {
    streams[id].sent += bytes;
  }

  void end_input(stream_id id) override {
    streams[id].input_ended = true;
  }

  void resume(stream_id) override {
  }

  void close_stream(stream_id id) override {
    streams[id].is_closed = true;
  }

  stream& last_stream() {
    return streams[opened.back()];
  }

  std::vector<connect_info> targets;
  std::vector<std::pair<connection_id, std::shared_ptr<connection_sink>>>
    connections;
  std::vector<connection_id> disconnected;
  std::vector<command> commands;
  std::vector<stream_id> opened; ///< in order
  std::map<stream_id, stream> streams;
};

} // namespace muster::test
