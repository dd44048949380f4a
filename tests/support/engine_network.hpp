#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace muster::test {

class engine_host;

/// A thread in the network of an Engine, whose loop-back is not the machine's:
/// sockets, threads and programs that are made in it are there, too.
class engine_network {
public:
  explicit engine_network(const engine_host& of);
  engine_network(const engine_network&) = delete;
  engine_network& operator=(const engine_network&) = delete;
  ~engine_network();

  /// Does this there, and waits for it.
  void run(std::function<void()> what);

private:
  void serve();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::packaged_task<void()> task_;
  bool over_ = false;
  std::thread thread_;
};

} // namespace muster::test
