#include "executors/helper/signals.hpp"

#include <algorithm>
#include <csignal>
#include <sys/signalfd.h>

namespace muster::helper {

unique_fd watch_signals(std::initializer_list<int> signals) {
  sigset_t watched;
  sigemptyset(&watched);
  for (int signal : signals)
    sigaddset(&watched, signal);
  ::sigprocmask(SIG_BLOCK, &watched, nullptr);
  return unique_fd{::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK)};
}

std::vector<int> take_signals(const unique_fd& watch) {
  std::vector<int> taken;
  signalfd_siginfo facts{};
  while (::read(watch.get(), &facts, sizeof(facts)) == sizeof(facts))
    taken.push_back(static_cast<int>(facts.ssi_signo));
  return taken;
}

int poll_timeout(std::chrono::nanoseconds left) {
  using std::chrono::milliseconds;
  auto rounded = std::chrono::ceil<milliseconds>(left).count();
  return static_cast<int>(std::clamp<int64_t>(rounded, 0, 60'000));
}

} // namespace muster::helper
