#pragma once

#include "executors/local/socket_loop.hpp"

#include <condition_variable>
#include <mutex>
#include <string>

namespace muster::test {

/// A folder that goes with its object.
struct scratch {
  scratch();
  ~scratch();

  std::string path;
};

/// This side of a unix socket, read and written by a test; each wait ends after
/// 20 s.
class peer_socket {
public:
  explicit peer_socket(local::unique_fd socket) : socket_(std::move(socket)) {
  }

  /// Connects to a path.
  explicit peer_socket(const std::string& path);

  void write(std::string_view bytes);
  void end_writing();

  /// Returns the next bytes until there are so many; fewer at the end.
  std::string read(size_t count);

  /// Returns all that comes until the end.
  std::string read_all();

private:
  bool is_ready(short events);

  local::unique_fd socket_;
};

/// Something that another thread says once.
template <class T>
class told {
public:
  void tell(T x) {
    std::lock_guard guard{mutex_};
    value_ = std::move(x);
    is_there_ = true;
    changed_.notify_all();
  }

  /// Waits for it, 20 s at most.
  T wait() {
    std::unique_lock guard{mutex_};
    changed_.wait_for(guard, std::chrono::seconds{20},
                      [this] { return is_there_; });
    return std::move(value_);
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
  bool is_there_ = false;
};

} // namespace muster::test
