#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "providers/local/processes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace muster::local {

/// A file descriptor that is closed with its owner.
class unique_fd {
public:
  unique_fd() = default;

  explicit unique_fd(int fd) : fd_(fd) {
  }

  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {
  }

  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~unique_fd();

  int get() const {
    return fd_;
  }

  void reset();

private:
  int fd_ = -1;
};

/// The folder of an instance as its own processes see it, where they have a
/// mount namespace.
constexpr auto folder_inside = "/run/muster";

/// What an instance's first process needs. All files are there beforehand:
/// between clone and exec it can only make system calls.
struct launch_plan {
  std::string id;        ///< the host name inside
  std::string folder;    ///< of the instance; holds home, tmp, sshd_config, ...
  std::string state_dir; ///< of the manager: hidden from jobs
  std::string sshd;      ///< absolute path of the program
  std::string login_home; ///< the user's home directory on this machine
  std::string login_shell;
  std::string resolver; ///< folder below /run that name resolution needs, or
                        ///< empty
  std::string mark;     ///< `NAME=VALUE` in the environment of all processes
  std::vector<std::string> sockets; ///< shown inside; no links in the paths
  bool isolated = false;
  bool has_user_data = false; ///< `user_data` is in the folder
  bool has_shadow = false;    ///< `shadow` replaces /etc/shadow
};

/// A first process that waits for `release`.
struct launched {
  process_id process;
  unique_fd go;     ///< a byte lets it go on; closing it ends it
  unique_fd status; ///< says why it could not start sshd; end of file: it did
};

/// Starts the first process of an instance: a session of its own, no file
/// descriptors of ours, its output in the folder's `boot.log`. It outlives us.
///
/// Errors: `call_failed`.
result<launched, provider_errc> launch(const launch_plan& plan);

/// Lets it go on; to be called once its identity is written down.
void release(launched& what);

enum class boot_progress : uint8_t { under_way, sshd_started, failed };

/// Reads how far a launch has come, without waiting. `why` tells what failed.
boot_progress progress_of(unique_fd& status, std::string& why);

/// Returns why this process may not make the namespaces of an instance, or
/// nothing if it may. Tries it.
std::optional<std::string> isolation_obstacle();

} // namespace muster::local
