#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace muster::ssh {

class reactor;

/// What other threads want of the reactor. Outlives it for those that answer
/// late (name lookups).
class mailbox {
public:
  using command = std::function<void(reactor&)>;

  /// Throws std::system_error without a descriptor.
  mailbox();
  ~mailbox();

  mailbox(const mailbox&) = delete;
  mailbox& operator=(const mailbox&) = delete;

  /// Queues a command and wakes the reactor; dropped once it is closed.
  void post(command what);

  /// All that was posted, in order.
  std::vector<command> take();

  void close();

  /// Readable when something was posted; `take` makes it unreadable again.
  int fd() const {
    return fd_;
  }

private:
  std::mutex mutex_;
  std::vector<command> commands_;
  bool closed_ = false;
  int fd_ = -1;
};

} // namespace muster::ssh
