#include "tools/muster/try/interrupts.hpp"

#include <pthread.h>
#include <utility>

namespace muster {

interrupts::interrupts() {
  sigemptyset(&taken_);
  for (int x : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR2})
    sigaddset(&taken_, x);
  pthread_sigmask(SIG_BLOCK, &taken_, &before_);
  std::signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread{[this] { listen(); }};
}

interrupts::~interrupts() {
  {
    std::lock_guard guard{mutex_};
    done_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void interrupts::on_signal(std::function<void(int)> call) {
  std::lock_guard guard{mutex_};
  call_ = std::move(call);
  if (call_ && count_ > 0)
    call_(count_);
}

int interrupts::count() const {
  std::lock_guard guard{mutex_};
  return count_;
}

void interrupts::listen() {
  for (;;) {
    int which = 0;
    if (sigwait(&taken_, &which) != 0)
      return;
    std::lock_guard guard{mutex_};
    if (done_)
      return;
    if (which == SIGUSR2)
      continue; // somebody else's
    ++count_;
    if (call_)
      call_(count_);
  }
}

} // namespace muster
