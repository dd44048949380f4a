#pragma once

#include <atomic>
#include <mutex>

namespace muster {

/// Lets one thread end the socket calls that block another one. Holds a second
/// descriptor of the socket in use: the number of the first one could become
/// another file's while `stop` looks at it.
class stop_switch {
public:
  ~stop_switch();

  /// Takes over from the last socket; -1: there is none.
  void watch(int socket);

  void stop();

  bool stopped() const {
    return stopped_;
  }

private:
  std::mutex mutex_;
  std::atomic<bool> stopped_ = false;
  int socket_ = -1;
};

} // namespace muster
