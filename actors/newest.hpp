#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace muster {

/// The newest of something that is given as a whole, again and again, and too
/// large for a message: a configuration. Whoever gives it sends a message, and
/// who gets that looks here; what was overtaken meanwhile is not missed. From
/// any thread.
template <class T>
class newest {
public:
  void give(std::shared_ptr<const T> what) {
    std::lock_guard guard{mutex_};
    what_ = std::move(what);
  }

  /// Null if nothing was given yet.
  std::shared_ptr<const T> look() const {
    std::lock_guard guard{mutex_};
    return what_;
  }

private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> what_;
};

} // namespace muster
