#pragma once

#include "executors/helper/connection.hpp"
#include "executors/helper/container_work.hpp"
#include "executors/helper/job_run.hpp"
#include "executors/helper/serve.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster::helper {

/// Listens for managers and starts a supervisor for each job. It keeps nothing
/// that must outlive it: a job is found by its socket `jobs/<hash of
/// key>.sock`, at which its supervisor listens for as long as the job is known.
/// A socket at which nobody listens is the mark of a supervisor that died.
///
/// Works in the current folder; single-threaded, so that it may fork.
class daemon {
public:
  daemon(serve_options options, unique_fd listener);

  /// Serves until it is told to stop or was idle for long enough.
  int run();

private:
  /// A connection that is not a job's (yet).
  struct guest {
    explicit guest(connection x, uint64_t number)
      : link(std::move(x)),
        number(number) {
    }

    connection link;
    uint64_t number; ///< never used again, unlike a place in a table
    bool greeted = false;
    std::optional<steady_time> deadline; ///< for what it has begun to say
  };

  /// A `clean` that a supervisor has to answer.
  struct relay {
    connection link; ///< to the supervisor
    uint64_t guest = 0;
    std::string key;
    steady_time deadline;
  };

  /// The search for processes of a job without supervisor, then the removal of
  /// its containers.
  struct sweep {
    uint64_t guest = 0;
    std::string key;
    bool died = false; ///< its supervisor was there once
    steady_time deadline;
    std::optional<container_work> containers = {};
    pid_t cleaner = -1; ///< what removes them; -1: it has ended, or not begun
  };

  void wait();
  int timeout();
  bool stay();
  void handle_signals();
  void accept_guests();
  void handle(guest& x, short revents);
  void check_deadlines();

  void obey(guest& x, const frames::hello& what);
  void obey(guest& x, frames::run& what);
  void obey(guest& x, frames::run_v1& what);
  void obey(guest& x, frames::run_containers& what);
  void obey(guest& x, const frames::attach& what);
  void obey(guest& x, const frames::cancel& what);
  void obey(guest& x, const frames::clean& what);
  void obey(guest& x, const frames::ping& what);
  template <class Other>
  void obey(guest& x, const Other& what);

  void start_job(guest& x, job_plan plan, const std::string& socket_path);
  void hand_over(guest& x, const frames::attach& what);
  void advance_relays();
  void advance_sweeps();
  bool remove_containers(sweep& x);
  frames::cleaned verdict_of(const sweep& x, const std::vector<pid_t>& left);
  void answer_clean(uint64_t guest, frames::cleaned answer);
  void reap_children();
  void kill_orphans();

  serve_options options_;
  unique_fd listener_;
  unique_fd signals_;
  std::deque<guest> guests_;
  std::deque<relay> relays_;
  std::deque<sweep> sweeps_;
  std::map<pid_t, std::string> supervisors_; ///< with the keys of their jobs
  std::optional<steady_time> orphans_until_; ///< of a dead supervisor
  steady_time last_use_;
  uint64_t guests_seen_ = 0;
  bool stopping_ = false;
};

} // namespace muster::helper
