#pragma once

#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

namespace muster {

/// Takes INT, TERM, HUP and QUIT from all threads that come after it, and hands
/// them to a function, in a thread of its own.
class interrupts {
public:
  interrupts();
  ~interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  /// What is called with the number of the signal, from 1. When this returns
  /// the function that it replaces is not running any more. A signal that came
  /// before is told at once.
  void on_signal(std::function<void(int count)> call);
  /// How many signals came so far.
  int count() const;

private:
  void listen();

  sigset_t taken_;
  sigset_t before_;
  mutable std::mutex mutex_;
  std::function<void(int)> call_;
  int count_ = 0;
  bool done_ = false;
  std::thread thread_;
};

} // namespace muster
