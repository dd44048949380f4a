#pragma once

#include <functional>
#include <mutex>
#include <thread>

namespace muster::docker {

/// Waits for SIGTERM and SIGINT in a thread of its own: the others may block.
/// Unless something else is to be done then, the process ends at once; what it
/// has made is found by the stages that follow.
class interrupts {
public:
  /// Must be made before any other thread is: these inherit the mask.
  interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  /// From now on `what` is done, in the other thread, once.
  void on_signal(std::function<void()> what);

  bool interrupted() const;

private:
  void watch();

  mutable std::mutex mutex_;
  std::function<void()> what_;
  bool interrupted_ = false;
};

} // namespace muster::docker
