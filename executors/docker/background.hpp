#pragma once

#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace muster::docker {

/// Does something in a thread of its own. Unlike `std::async` nobody has to
/// wait for its end: a process that leaves leaves it behind.
template <class F>
auto in_background(F what) {
  using value = decltype(what());
  auto promise = std::make_shared<std::promise<value>>();
  auto future = promise->get_future();
  std::thread{[promise, what = std::move(what)] {
    promise->set_value(what());
  }}.detach();
  return future;
}

} // namespace muster::docker
