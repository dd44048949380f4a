#pragma once

#include "executors/ssh/reactor.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace muster::test {

/// Longer than anything may take on a loaded machine.
constexpr std::chrono::seconds patience{120};

/// Options with which no deadline passes just because the machine is busy.
ssh_options patient();

/// Something that a test waits for until it holds.
class waiting {
public:
  /// Changes what is waited for, under the lock.
  void change(const std::function<void()>& what);

  /// False if `holds` does not come true within `patience`.
  bool until(const std::function<bool()>& holds);

private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// Writes down what happens to a connection.
class connection_log : public connection_sink {
public:
  void connected(const std::string& host_key) override;
  void failed(const connection_failure& why) override;
  void lost(const connection_failure& why) override;

  bool wait_connected(); ///< false if it failed
  connection_failure wait_end();
  bool ended();

  std::string host_key;
  int ends = 0;

private:
  void end(const connection_failure& why);

  waiting wait_;
  std::optional<connection_failure> end_;
};

/// Writes down what arrives on a stream; gives credit as told.
class stream_log : public stream_sink {
public:
  /// `credit` bytes at first; `unlimited` renews it with every arrival.
  explicit stream_log(size_t credit = SIZE_MAX) : credit_{credit} {
  }

  void opened() override;
  size_t wanted() override;
  void data(std::string_view bytes) override;
  void closed(const connection_failure& why) override;

  bool wait_opened(); ///< false if it was closed first
  bool wait_received(size_t bytes);
  connection_failure wait_closed();

  /// To be followed by `transport::resume`.
  void give(size_t bytes);

  size_t received();
  std::string text();

private:
  waiting wait_;
  size_t credit_;
  bool opened_ = false;
  bool overrun_ = false;
  std::string text_;
  std::optional<connection_failure> end_;
};

/// Runs a command and waits for its result.
result<exec_result, connection_errc> run(transport& on, connection_id id,
                                         exec_request what);

/// Whether a command can be run on a connection.
bool works(transport& on, connection_id id);

/// Connects and waits; the log tells how it went.
std::shared_ptr<connection_log>
dial_and_wait(transport& on, connection_id id, const connect_info& target,
              std::chrono::milliseconds timeout = patience);

/// A TCP server on loopback that treats each connection with a script, in a
/// thread of its own. Scripts must end once their socket is shut down.
class scripted_server {
public:
  using script = std::function<void(int fd)>;

  explicit scripted_server(script what);
  ~scripted_server();

  scripted_server(const scripted_server&) = delete;
  scripted_server& operator=(const scripted_server&) = delete;

  uint16_t port() const {
    return port_;
  }

  /// Cuts all connections.
  void cut();

  connect_info target() const;

private:
  void accept_all();

  script script_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// A script that forwards to another port of loopback; nothing passes while
/// `*held` is set.
scripted_server::script forward_to(uint16_t port,
                                   std::shared_ptr<std::atomic<bool>> held);

/// Reads until the peer is gone.
void swallow(int fd);

/// A unix socket server that treats each connection with a script.
class unix_server {
public:
  unix_server(const std::filesystem::path& path,
              std::function<void(int fd)> what);
  ~unix_server();

  unix_server(const unix_server&) = delete;
  unix_server& operator=(const unix_server&) = delete;

private:
  void accept_all();

  std::function<void(int fd)> script_;
  int listener_ = -1;
  std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// Sends back what it gets.
void echo(int fd);

/// Sends all of `bytes`; false if the peer has gone.
bool send_all(int fd, std::string_view bytes);

} // namespace muster::test
