#pragma once

#include "executors/helper/processes.hpp"
#include "executors/helper/progress.hpp"
#include "executors/helper/spool.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace muster::helper {

using steady_time = std::chrono::steady_clock::time_point;

/// What carrying out a plan needs to know beside the plan.
struct job_settings {
  job_plan plan;
  std::string home;       ///< where scripts start; absolute
  std::string spool_path; ///< see `spool`
  uint64_t spool_bound_bytes = spool::bound_default;
  steady_time taken_at; ///< the records' times count from here
};

/// Carries out a plan: runs what `progress` decides, keeps the records. Every
/// child of this process is taken for the job's: one job a process. It never
/// blocks; the owner polls for it and calls `advance` after each poll.
class job_run {
public:
  explicit job_run(job_settings settings);

  void begin();
  void cancel(cancel_mode mode);

  /// Ends the job for good, also its cleaning up: no further script is started,
  /// all its processes are killed. Its records get no `job_ended`.
  void abandon();

  /// The job has come to its end and `job_ended` is among the records.
  bool ended() const {
    return ended_;
  }

  spool& records() {
    return spool_;
  }

  const job_plan& plan() const {
    return settings_.plan;
  }

  const std::string& home() const {
    return settings_.home;
  }

  /// Adds what to poll for.
  void add_to(std::vector<pollfd>& polled) const;

  /// Handles one of what `add_to` added.
  void handle(const pollfd& ready);

  /// Reaps what has ended and does what is due.
  void advance();

  /// Returns when `advance` must be called at the latest.
  std::optional<steady_time> wake_at() const;

private:
  struct output_pipe {
    unique_fd fd;
    frames::output_stream stream;
    bool current = true; ///< of the script under way; else left by an earlier
  };

  /// A script whose shell was started.
  struct current_script {
    running_script process;
    std::optional<int> exit_code; ///< of the shell, once it has exited
    steady_time exited_at;
  };

  void happen(progress::event what);
  void act(const progress::note_begun& x);
  void act(const progress::note_ended& x);
  void act(const progress::start_script& x);
  void act(const progress::terminate_script& x);
  void act(const progress::kill_script& x);
  void act(const progress::finish& x);

  bool find_environment();
  void reap_all();
  void check_script(steady_time now);
  void end_script();
  void kill_on(steady_time now);
  void begin_killing();
  void check_end();
  void note_job_ended(std::string trouble);
  bool drain(output_pipe& pipe, size_t bytes_max);
  progress::time_point time(steady_time now) const;

  job_settings settings_;
  spool spool_;
  progress::state progress_;
  std::deque<progress::event> events_;
  bool deciding_ = false;
  std::string shell_; ///< path, once it was looked for
  std::vector<std::string> environment_;
  std::optional<current_script> script_;
  std::vector<output_pipe> pipes_;
  bool quiet_ = false;
  std::optional<steady_time> killing_since_;
  steady_time next_kill_;
  std::optional<progress::finish> verdict_; ///< decided, not yet noted
  bool abandoned_ = false;
  bool ended_ = false;
};

} // namespace muster::helper
