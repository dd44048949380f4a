#include "executors/ssh/mailbox.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace muster::ssh {

mailbox::mailbox() : fd_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
  if (fd_ < 0)
    throw std::system_error{errno, std::generic_category(), "eventfd"};
}

mailbox::~mailbox() {
  ::close(fd_);
}

void mailbox::post(command what) {
  std::lock_guard guard{mutex_};
  if (closed_)
    return;
  commands_.push_back(std::move(what));
  commands_peak_ = std::max(commands_peak_, commands_.size());
  if (commands_.size() == 1)
    eventfd_write(fd_, 1);
}

std::vector<mailbox::command> mailbox::take() {
  std::lock_guard guard{mutex_};
  if (commands_.empty())
    return {};
  eventfd_t count = 0;
  eventfd_read(fd_, &count);
  return std::exchange(commands_, {});
}

void mailbox::close() {
  std::lock_guard guard{mutex_};
  closed_ = true;
  commands_.clear();
}

std::pair<size_t, size_t> mailbox::depths() const {
  std::lock_guard guard{mutex_};
  return {commands_.size(), commands_peak_};
}

} // namespace muster::ssh
