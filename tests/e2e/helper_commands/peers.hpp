#pragma once

#include "executors/helper/unique_fd.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster::test {

/// Files in PEM of an authority made for a test: `<folder>/ca.pem`, a server's
/// certificate for 127.0.0.1 and `gitlab.example` (`server.pem`, `server.key`)
/// and a client's (`client.pem`, `client.key`), both signed by it.
void make_certificates(const std::string& folder);

/// Listens on loopback and treats each connection as it is told, in a thread of
/// its own.
class peer_script {
public:
  using treatment = std::function<void(int connection)>;

  /// @param address 127.0.0.1 or ::1
  explicit peer_script(treatment what,
                       const std::string& address = "127.0.0.1");
  peer_script(const peer_script&) = delete;
  peer_script& operator=(const peer_script&) = delete;
  ~peer_script();

  int port() const {
    return port_;
  }

  std::string url() const;

  size_t connections() const;

private:
  helper::unique_fd listener_;
  std::string host_;
  int port_ = 0;
  treatment what_;
  mutable std::mutex mutex_;
  size_t connections_ = 0;
  std::vector<std::thread> threads_;
  std::vector<int> open_;
  std::thread acceptor_;
};

/// Returns whether ::1 can be listened on.
bool has_ipv6();

/// Reads up to the blank line; empty if the peer hung up before.
std::string read_head(int connection);

void write_text(int connection, const std::string& text);

/// Reads until the peer hangs up or is hung up on.
void read_to_end(int connection);

/// Connects with a port on loopback and copies both ways until one side ends.
void relay_to(int connection, int port);

} // namespace muster::test
