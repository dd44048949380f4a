#pragma once

#include "executors/helper/unique_fd.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <functional>
#include <string>
#include <vector>

namespace muster::helper {

/// Makes the state folder (0700, ours) with its folder `jobs`, and goes there:
/// all sockets are then named relative to it, since a socket's path may have
/// 107 bytes only.
/// @return its absolute path
/// Errors: `failed`: cannot be made, belongs to another user.
result<std::string, helper_errc> enter_state_folder(const std::string& dir);

/// Closes all descriptors but the standard ones and these.
void close_all_but(std::vector<int> kept);

/// Tells the process that started the daemon how it went; at most once.
class start_report {
public:
  explicit start_report(unique_fd pipe) : pipe_(std::move(pipe)) {
  }

  void ready();

  /// Another daemon serves this folder.
  void taken();

  void failed(const std::string& text);

private:
  void tell(char what, const std::string& text);

  unique_fd pipe_;
};

/// Runs `body` in a process of its own: without terminal, standard streams to
/// nothing and `helper.log` in the current folder. Returns when it reported.
/// @return nothing if it is ready or the folder is taken
/// Errors: `failed`, with what it reported or that it did not within 10 s.
result<void, helper_errc>
start_daemon(const std::function<int(start_report)>& body);

/// Takes the lock of the current folder; it is gone with this process, and not
/// inherited by children.
/// @return empty if another process has it
/// Errors: `failed`.
result<unique_fd, helper_errc> lock_folder();

} // namespace muster::helper
