#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::fleeting {

/// The environment of a plugin: this process's, and what a host says. Without
/// what would have it ask for TLS or listen elsewhere.
std::vector<std::string> plugin_environment(const std::string& socket_folder);

struct plugin_command {
  std::string path;
  std::vector<std::string> environment; ///< `NAME=value`
};

/// How a process ended.
struct process_end {
  bool in_order = false; ///< status 0
  std::string text;      ///< `exited with status 3`
};

/// What a process tells, from the thread that keeps it.
struct process_events {
  std::function<void(std::string_view)> error_output; ///< next bytes of stderr
  std::function<void(const process_end&)> ended;      ///< once, the last of all
};

/// A plugin's process: in a process group of its own, with its output in pipes
/// that are always read, and no descriptor of ours. A thread keeps it: the
/// kernel ends the process with the thread that made it, and so with us, also
/// on SIGKILL.
class plugin_process {
public:
  using deadline = std::chrono::steady_clock::time_point;

  /// Starts it. `ended` comes also for one that could not be started.
  static std::unique_ptr<plugin_process> start(plugin_command what,
                                               process_events events);

  /// Kills what is left of it.
  ~plugin_process();

  plugin_process(const plugin_process&) = delete;
  plugin_process& operator=(const plugin_process&) = delete;

  /// Waits for the first line that it prints.
  ///
  /// Errors: `not_available` (it could not be started, or ended before),
  /// `timed_out`.
  result<std::string, provider_errc> first_line(deadline by);

  pid_t pid() const;
  bool is_running() const;

  /// Waits until it has ended; false if it had not by then.
  bool wait_end(deadline by);

  /// Kills it and whatever is in its process group.
  void kill();

private:
  struct keeper;

  explicit plugin_process(std::shared_ptr<keeper> by) : keeper_(std::move(by)) {
  }

  std::shared_ptr<keeper> keeper_; ///< shared with its thread
};

} // namespace muster::fleeting
