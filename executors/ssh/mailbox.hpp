#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>
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

  /// Commands that wait, and the most that ever did.
  std::pair<size_t, size_t> depths() const;

  /// Readable when something was posted; `take` makes it unreadable again.
  int fd() const {
    return fd_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<command> commands_;
  size_t commands_peak_ = 0;
  bool closed_ = false;
  int fd_ = -1;
};

} // namespace muster::ssh
