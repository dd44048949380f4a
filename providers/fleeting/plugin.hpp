#pragma once

#include "config/log.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "providers/fleeting/link.hpp"
#include "providers/fleeting/process.hpp"
#include "providers/fleeting/socket_folder.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace muster::fleeting {

/// What a plugin is started with.
struct plugin_options {
  using time = std::chrono::milliseconds;

  std::string plugin;           ///< as configured: a path, a name
  std::string state_dir = {};   ///< for its socket; empty: in /tmp
  std::string module_path = {}; ///< of our gRPC; empty: beside this program
  log::fields log_fields = {};  ///< of each line that it writes
  bool forwards_log = true;     ///< its lines go to the log
  time start_timeout{60'000};   ///< from spawn to the handshake
  time pulse_interval{10'000};  ///< how long a call waits until the plugin is
                                ///< asked whether it is alive; and between
  time pulse_timeout{5'000};    ///< for its answer
  time exit_patience{2'000};    ///< from its shutdown to SIGKILL
};

/// A plugin: its process, the connection to it, and a thread that looks whether
/// it still answers while a call waits. Once its process has ended, or was
/// ended because it hangs, it is lost.
class running_plugin {
public:
  using deadline = std::chrono::steady_clock::time_point;
  using loss_handler = std::function<void(const failure<provider_errc>&)>;

  explicit running_plugin(plugin_options options);

  /// Kills it if it still runs.
  ~running_plugin();

  running_plugin(const running_plugin&) = delete;
  running_plugin& operator=(const running_plugin&) = delete;

  /// Finds it, starts it, and waits until it takes calls. Called once.
  ///
  /// Errors: `bad_config` (its name), `not_available` (not there, cannot be
  /// started, not a plugin), `timed_out`.
  result<void, provider_errc> start(deadline by);

  /// Once started: for calls, each within a `call_mark`.
  plugin_link& link() {
    return *link_;
  }

  /// While it lives, the plugin is looked after.
  class call_mark {
  public:
    explicit call_mark(running_plugin& of);
    ~call_mark();
    call_mark(const call_mark&) = delete;
    call_mark& operator=(const call_mark&) = delete;

  private:
    running_plugin& of_;
    deadline begun_;
  };

  /// Why it is lost; nothing if it is not.
  std::optional<failure<provider_errc>> loss() const;

  /// Sets what is called once when it is lost, from any thread, at once if it
  /// is already; not for what happens after `stop` began.
  void on_loss(loss_handler tell);

  /// Gives it up: kills it, with this reason.
  void lose(const std::string& why);

  /// Ends the start or the calls under way, from any thread; only `stop` may
  /// follow.
  void cancel();

  /// It cleans up, stops serving, and is killed if it does not exit then.
  void stop(deadline by);

  /// -1: it does not run.
  pid_t pid() const;

  /// Once started: words for messages, `plugin "aws" (/path)`.
  const std::string& name() const {
    return name_;
  }

private:
  struct watch;

  result<void, provider_errc> launch();
  result<void, provider_errc> connect(const std::string& line);
  failure<provider_errc> failed(const failure<provider_errc>& why) const;
  void take_pulse();

  plugin_options options_;
  std::string path_;
  std::string name_;
  std::string stray_socket_;     ///< outside of our folder
  std::shared_ptr<watch> watch_; ///< shared with the threads
  std::optional<socket_folder> folder_;
  std::unique_ptr<plugin_process> process_;
  std::unique_ptr<plugin_link> link_;
  std::thread pulse_;
};

/// Starts a plugin as far as that it takes calls, and ends it again: nothing is
/// asked of its cloud. Returns why that does not work; empty: it does.
std::string try_plugin(const std::string& plugin,
                       const std::string& module_path = {});

} // namespace muster::fleeting
