#pragma once

#include "executors/helper/unique_fd.hpp"
#include "executors/local/engine_bridge.hpp"
#include "executors/transport.hpp"
#include "messages/dialer.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace muster {

/// What stands between a connection actor and the transport: turns its orders
/// into calls and what happens there into messages to it.
class dial_edge {
public:
  /// Where a helper of this machine works: for jobs in containers, on instances
  /// that it cannot run on.
  struct workshop {
    std::shared_ptr<local::socket_loop> loop; ///< null: there is none
    std::string folder;                       ///< made when it is needed
  };

  /// `helper_path` is the muster-helper to put on instances, the same with
  /// `.gz` behind it packed, if it is there; `unix_us` tells the wall clock's
  /// time, which connect info may expire by.
  dial_edge(std::shared_ptr<transport> wire, std::string helper_path,
            std::function<int64_t()> unix_us = {}, workshop here = {});

  /// Returns why there is no usable helper, or nothing.
  const std::string& problem() const {
    return problem_;
  }

  /// Returns why the packed helper is not used though it is there, or nothing.
  const std::string& packed_problem() const {
    return packed_problem_;
  }

  transport& wire() const {
    return *wire_;
  }

  int64_t unix_seconds() const {
    return unix_us_ ? unix_us_() / 1'000'000 : 0;
  }

  /// Answered by `session_up` or `session_down`; later by `session_down`.
  void connect(connection_id id, const connect_info& target,
               const session_listener_actor& to) const;

  /// Answered by `exec_ended`.
  void exec(connection_id id, uint64_t number, std::string command,
            std::string input, std::chrono::milliseconds timeout,
            const session_listener_actor& to,
            std::string input_file = {}) const;

  /// Looks for the helper at the instance and starts it. Answered by
  /// `exec_ended`; see `read_bootstrap`.
  void probe_helper(connection_id id, uint64_t number,
                    const session_listener_actor& to) const;

  /// Puts the helper into the first folder from the `place`-th on (counted from
  /// 1) that lets it run, and starts it. It is sent packed if the instance
  /// `unpacks`. Answered by `exec_ended`; see `read_bootstrap`.
  void upload_helper(connection_id id, uint64_t number, int place, bool unpacks,
                     const session_listener_actor& to) const;

  bool works_here() const {
    return here_.loop != nullptr;
  }

  /// Starts the helper of this machine. Answered by `exec_ended`; see
  /// `read_bootstrap`.
  void start_here(connection_id id, uint64_t number,
                  const session_listener_actor& to) const;

  /// Has the helper's program do something on this machine: words of a shell,
  /// and a file for its input. Answered by `exec_ended`.
  void run_here(connection_id id, uint64_t number, const std::string& words,
                const std::string& input_file,
                const session_listener_actor& to) const;

  /// Makes a way to the Engine of an instance.
  /// Errors: `failed`: the socket cannot be made.
  result<std::unique_ptr<local::engine_bridge>, helper_errc>
  make_bridge(const instance_id& instance,
              const std::string& engine_host) const;

  /// Opens the control stream: to the socket, or through the program `bridge`.
  /// Answered by `helper_up`, later by `helper_down`.
  /// `at`: the connection that the helper is at.
  void open_control(connection_id id, connection_id at, stream_id control,
                    const std::string& socket_path, const std::string& bridge,
                    const session_listener_actor& to) const;

  /// Ends what is left of a job where there is no helper. Answered by
  /// `exec_ended`; see `remote::read_sweep`.
  void sweep(connection_id id, uint64_t number, const acquisition_key& key,
             const std::string& temp_dir,
             const session_listener_actor& to) const;

  void clean(stream_id control, const acquisition_key& key) const;

private:
  std::shared_ptr<transport> wire_;
  std::string helper_path_;
  std::string helper_hash_;
  uint64_t helper_size_ = 0; ///< [bytes]
  /// As they were at the start: a package that is upgraded puts others in their
  /// place, while this manager runs on.
  helper::unique_fd helper_file_;
  helper::unique_fd packed_file_; ///< none: there is none that can be used
  std::string problem_;
  std::string packed_problem_;
  std::function<int64_t()> unix_us_;
  workshop here_;
};

/// What the bootstrap commands printed.
struct bootstrap_answer {
  std::string socket_path; ///< set: the helper answers there
  std::string program;     ///< it, there
  std::string platform;    ///< set: it has to be put there first
  bool unpacks = false;    ///< with it: there is gzip
  std::string obstacle;    ///< set: it cannot run there, and why
  int full = 0;            ///< set: this folder had no room for it
  int packed = 0;          ///< set: nor could it be unpacked into this one
};

bootstrap_answer read_bootstrap(const std::string& output);

} // namespace muster
