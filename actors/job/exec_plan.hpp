#pragma once

#include "actors/clock.hpp"
#include "actors/job/recorder.hpp"
#include "executors/helper/progress.hpp"
#include "executors/transport.hpp"
#include "messages/job.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace muster {

class exec_tape;

/// Carries out a plan from here, where no helper can run at the instance: what
/// `progress` decides, over exec channels, into the same recorder. It cannot
/// outlive its connection. Part of a job's actor, which passes on what it is
/// told and calls `tick` when it is due.
class exec_plan {
public:
  struct surroundings {
    std::shared_ptr<transport> wire;
    connection_id connection = 0;
    uint64_t stream = 0; ///< the recorder's number for this
    std::shared_ptr<job_recorder> recorder;
    /// The transport's id of the script's stream in force.
    std::shared_ptr<std::atomic<uint64_t>> wire_stream;
    script_listener_actor to;
  };

  exec_plan(job_plan plan, surroundings with, time_point now);

  /// Nothing of the job is told to it any more; a script under way is cut off.
  ~exec_plan();

  exec_plan(const exec_plan&) = delete;
  exec_plan& operator=(const exec_plan&) = delete;

  void begin(time_point now);
  void cancel(cancel_mode mode, time_point now);
  void take(const script_ended& x, time_point now);
  void take(const processes_swept& x, time_point now);
  void tick(time_point now);

  /// When `tick` is due at the latest.
  std::optional<time_point> wake_at() const;

private:
  enum class sweep_purpose : uint8_t { none, stop, finish };

  struct current_script {
    stream_id stream = 0;
    std::optional<int32_t> exit_code;
    time_point exited_at;
  };

  void happen(progress::event what, time_point now);
  void act(const progress::note_begun& x);
  void act(const progress::note_ended& x);
  void act(const progress::start_script& x);
  void act(const progress::terminate_script& x);
  void act(const progress::kill_script& x);
  void act(const progress::finish& x);

  void sweep(sweep_purpose why);
  void end_script(std::optional<std::string> trouble, time_point now);
  void lose(const caf::error& why);

  job_plan plan_;
  surroundings with_;
  time_point began_;
  std::shared_ptr<exec_tape> tape_;
  progress::state progress_;
  std::deque<progress::event> events_;
  bool deciding_ = false;
  bool over_ = false;
  std::optional<current_script> script_;
  sweep_purpose sweeping_ = sweep_purpose::none;
  uint64_t sweeps_ = 0;
  progress::finish verdict_;
};

} // namespace muster
