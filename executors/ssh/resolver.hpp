#pragma once

#include "executors/ssh/address.hpp"

#include <functional>
#include <memory>

namespace muster::ssh {

/// Resolves names on threads of its own, since the system's resolver blocks for
/// as long as name servers do. The threads start with the first name and are
/// few.
class resolver {
public:
  using callback
    = std::function<void(result<std::vector<endpoint>, connection_errc>)>;

  resolver();

  /// Does not wait for lookups that are under way: their callbacks may still be
  /// called later and must not need the caller.
  ~resolver();

  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;

  /// Calls `done` from one of the threads.
  void resolve(address what, callback done);

private:
  struct shared_state;
  std::shared_ptr<shared_state> state_;
};

} // namespace muster::ssh
