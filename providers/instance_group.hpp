#pragma once

#include "messages/connect_info.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster {

enum class provider_instance_state : uint8_t {
  creating,
  running,
  deleting,
  deleted,
  timeout,
  suspending,
  suspended,
  resuming,
};

struct listed_instance {
  std::string id;
  provider_instance_state state = provider_instance_state::creating;
};

struct group_info {
  std::string id;         ///< the cloud's own group: the group's identity
  int64_t max_size = 0;   ///< instances; 4294967295 means no limit
  std::string version;    ///< of the provider
  std::string build_info; ///< for the log
  /// Nothing is deleted: what is removed may come back under the same id, as it
  /// was.
  bool keeps_instances = false;
};

/// A group of instances in some cloud. Blocking: called from one edge thread,
/// one call at a time, but for what `is_concurrent` says. Implementations never
/// throw; a call that cannot end by itself within `deadline` returns
/// `timed_out`.
class instance_group {
public:
  using deadline = std::chrono::steady_clock::time_point;
  using loss_handler = std::function<void(const failure<provider_errc>&)>;

  virtual ~instance_group() = default;

  /// Called once, first.
  virtual result<group_info, provider_errc> init(deadline by) = 0;

  /// Returns every instance of the group; what is left out does not exist.
  virtual result<std::vector<listed_instance>, provider_errc>
  update(deadline by) = 0;

  /// Asks for `count` more instances. Returns how many were accepted; they
  /// appear in later listings.
  virtual result<int, provider_errc> increase(int count, deadline by) = 0;

  /// Asks for the removal of instances. Returns those that were accepted.
  virtual result<std::vector<std::string>, provider_errc>
  decrease(const std::vector<std::string>& ids, deadline by) = 0;

  /// Told before `decrease`: these are removed because they failed.
  virtual void failed(const std::vector<std::string>&) {
  }

  /// Returns how to reach an instance that runs.
  virtual result<connect_info, provider_errc>
  get_connect_info(const std::string& id, deadline by) = 0;

  /// Returns nothing if the instance is healthy, else why it is not.
  virtual result<void, provider_errc> heartbeat(const std::string& id,
                                                deadline by)
    = 0;

  /// Called once, last.
  virtual void shutdown(deadline by) = 0;

  /// Whether `get_connect_info` and `heartbeat` may be called from any threads,
  /// also beside another call: they may take minutes for one instance.
  virtual bool is_concurrent() const {
    return false;
  }

  /// Sets what is called, once, from any thread, when the group has lost what
  /// it needs and fails all calls from then on: another is to be made.
  virtual void on_loss(loss_handler) {
  }

  /// Ends the calls that are under way, from any thread. Only `shutdown` may
  /// follow.
  virtual void cancel() {
  }
};

} // namespace muster
