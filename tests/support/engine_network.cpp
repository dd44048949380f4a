#include "tests/support/engine_network.hpp"

#include "tests/support/engine_host.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <string>
#include <unistd.h>

namespace muster::test {

engine_network::engine_network(const engine_host& of) {
  auto path = "/proc/" + std::to_string(of.pid()) + "/ns/net";
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE_GE(fd, 0);
  std::promise<int> entered;
  thread_ = std::thread{[this, fd, &entered] {
    entered.set_value(::setns(fd, CLONE_NEWNET));
    serve();
  }};
  auto status = entered.get_future().get();
  ::close(fd);
  CHECK_EQ(status, 0);
}

engine_network::~engine_network() {
  {
    std::lock_guard guard{mutex_};
    over_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void engine_network::run(std::function<void()> what) {
  std::future<void> done;
  {
    std::lock_guard guard{mutex_};
    task_ = std::packaged_task<void()>{std::move(what)};
    done = task_.get_future();
  }
  ready_.notify_one();
  done.get();
}

void engine_network::serve() {
  for (;;) {
    std::packaged_task<void()> task;
    {
      std::unique_lock lock{mutex_};
      ready_.wait(lock, [this] { return over_ || task_.valid(); });
      if (over_)
        return;
      task = std::move(task_);
      task_ = {};
    }
    task();
  }
}

} // namespace muster::test
