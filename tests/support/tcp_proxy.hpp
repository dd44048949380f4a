#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace muster::test {

/// Forwards connections of a port of loopback to another one there, and cuts
/// them where it is told.
class tcp_proxy {
public:
  /// Returns after how many bytes from the server the next connection is cut;
  /// negative: never. Called for each connection, one after the other.
  using budget = std::function<int64_t()>;

  explicit tcp_proxy(uint16_t to, budget next_budget = {});
  ~tcp_proxy();

  tcp_proxy(const tcp_proxy&) = delete;
  tcp_proxy& operator=(const tcp_proxy&) = delete;

  uint16_t port() const {
    return port_;
  }

  /// Connections that were cut.
  int cuts() const {
    return cuts_;
  }

  /// Connections that are open.
  size_t open();

  /// Cuts all connections now.
  void cut_all();

private:
  void run();
  void forward(int client, int64_t left);

  uint16_t to_;
  budget next_budget_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<int> cuts_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<int> clients_; ///< open ones
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

} // namespace muster::test
