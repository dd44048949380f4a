#include "executors/ssh/resolver.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace muster::ssh {

namespace {

constexpr int threads_max = 4;

} // namespace

struct resolver::shared_state {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<address, callback>> waiting;
  int threads = 0;
  int threads_idle = 0;
  bool stopping = false;

  void work() {
    std::unique_lock lock{mutex};
    while (true) {
      ++threads_idle;
      changed.wait(lock, [this] { return stopping || !waiting.empty(); });
      --threads_idle;
      if (stopping)
        return;
      auto [what, done] = std::move(waiting.front());
      waiting.pop_front();
      lock.unlock();
      done(resolve_blocking(what));
      done = nullptr;
      lock.lock();
    }
  }
};

resolver::resolver() : state_{std::make_shared<shared_state>()} {
}

resolver::~resolver() {
  std::lock_guard guard{state_->mutex};
  state_->stopping = true;
  state_->waiting.clear();
  state_->changed.notify_all();
}

void resolver::resolve(address what, callback done) {
  std::unique_lock lock{state_->mutex};
  state_->waiting.emplace_back(std::move(what), std::move(done));
  if (static_cast<int>(state_->waiting.size()) > state_->threads_idle
      && state_->threads < threads_max) {
    try {
      // Detached: a lookup cannot be interrupted, and nobody should wait for
      // it.
      std::thread{[state = state_] { state->work(); }}.detach();
      ++state_->threads;
    } catch (const std::system_error&) {
      if (state_->threads == 0) {
        auto refused = std::move(state_->waiting.back());
        state_->waiting.pop_back();
        lock.unlock();
        refused.second(fail(connection_errc::unreachable,
                            "name: no thread to resolve \"" + refused.first.host
                              + "\" with: this machine is out of threads"));
        return;
      }
    }
  }
  state_->changed.notify_one();
}

} // namespace muster::ssh
