#pragma once

#include "executors/helper/container_work.hpp"
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

  /// Has all removed that the job made at an Engine; again if that failed.
  /// Neither stage nor other process of the job may be left.
  void clean_containers();

  /// Whether `clean_containers` is under way: it has a deadline of its own.
  bool cleaning_containers() const {
    return cleaner_.has_value();
  }

  /// Returns what became of it: nothing: not done yet; empty: all is gone; else
  /// why not. Without containers it is done from the start.
  const std::optional<std::string>& containers_trouble() const {
    return containers_trouble_;
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

  /// A script whose shell was started, or a stage that has a process.
  struct current_script {
    running_script process;
    bool in_containers = false;
    std::optional<int> exit_code; ///< of the shell, once it has exited
    steady_time exited_at;
  };

  /// What removes containers.
  struct cleaner {
    running_script process;
    steady_time until;
  };

  void happen(progress::event what);
  void act(const progress::note_begun& x);
  void act(const progress::note_ended& x);
  void act(const progress::start_script& x);
  void act(const progress::terminate_script& x);
  void act(const progress::kill_script& x);
  void act(const progress::finish& x);

  result<running_script, helper_errc> start(const progress::start_script& x);
  result<running_script, helper_errc>
  start_in_containers(const progress::start_script& x);
  result<void, helper_errc> find_shell_once();
  void find_environment();
  void follow_services();
  void end_stage_in_containers(int32_t exit_code);
  void end_cleaner(int32_t exit_code);
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
  std::optional<container_work> containers_; ///< once a stage needed it
  std::optional<current_script> script_;
  std::vector<output_pipe> pipes_;
  std::optional<cleaner> cleaner_;
  std::optional<std::string> containers_trouble_;
  bool quiet_ = false;
  std::optional<steady_time> killing_since_;
  steady_time next_kill_;
  std::optional<progress::finish> verdict_; ///< decided, not yet noted
  bool abandoned_ = false;
  bool ended_ = false;
};

} // namespace muster::helper
