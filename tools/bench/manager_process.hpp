#pragma once

#include "messages/result.hpp"

#include <chrono>
#include <string>
#include <sys/types.h>

namespace muster::bench {

enum class bench_errc : uint8_t {
  cannot_start = 1, ///< a program is missing, or there are no resources
  failed,           ///< the manager ended, or a job did not succeed
  timed_out,        ///< the scenario took longer than it may
  interrupted,      ///< the user does not want to wait
};

/// Memory of a process [KiB].
struct memory_use {
  int64_t resident = 0; ///< VmRSS
  int64_t peak = 0;     ///< VmHWM
};

/// What a process has used so far, of all of its threads and not of its
/// children; nothing if there is none.
std::chrono::nanoseconds cpu_of(pid_t pid);
memory_use memory_of(pid_t pid);

/// `muster run` as a child, its log in a file. It ends with this object.
class manager_process {
public:
  manager_process() = default;
  ~manager_process();
  manager_process(const manager_process&) = delete;
  manager_process& operator=(const manager_process&) = delete;

  /// Errors: `cannot_start`.
  result<void, bench_errc> start(const std::string& program,
                                 const std::string& config_path,
                                 const std::string& log_path);
  /// Whether it runs; false once it has ended by itself.
  bool alive();
  /// Asks it to end and waits; makes it after `patience`. Returns false if it
  /// had to be made.
  bool stop(std::chrono::milliseconds patience);
  /// `kill -9`.
  void kill_now();

  pid_t pid() const {
    return pid_;
  }

  /// When it was started.
  std::chrono::steady_clock::time_point started_at() const {
    return started_at_;
  }
  std::chrono::nanoseconds cpu() const {
    return cpu_of(pid_);
  }

  memory_use memory() const {
    return memory_of(pid_);
  }

private:
  pid_t pid_ = -1;
  std::chrono::steady_clock::time_point started_at_;
};

} // namespace muster::bench
