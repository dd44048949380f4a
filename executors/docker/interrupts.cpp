#include "executors/docker/interrupts.hpp"

#include <csignal>
#include <unistd.h>

namespace muster::docker {

namespace {

constexpr int terminated_exit_code = 143;

sigset_t watched() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

} // namespace

interrupts::interrupts() {
  auto signals = watched();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // It lives as long as the process.
  std::thread{[this] { watch(); }}.detach();
}

void interrupts::on_signal(std::function<void()> what) {
  std::lock_guard guard{mutex_};
  what_ = std::move(what);
}

bool interrupts::interrupted() const {
  std::lock_guard guard{mutex_};
  return interrupted_;
}

void interrupts::watch() {
  auto signals = watched();
  int signal = 0;
  while (::sigwait(&signals, &signal) != 0)
    continue;
  std::function<void()> what;
  {
    std::lock_guard guard{mutex_};
    what = what_;
    interrupted_ = true;
  }
  if (!what)
    ::_exit(terminated_exit_code);
  what();
}

} // namespace muster::docker
