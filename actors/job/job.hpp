#pragma once

#include "actors/edges.hpp"
#include "actors/job/exec_plan.hpp"
#include "actors/job/lifecycle.hpp"
#include "actors/job/recorder.hpp"
#include "actors/traced.hpp"
#include "config/config.hpp"
#include "config/log.hpp"
#include "executors/plan/build.hpp"
#include "messages/job.hpp"
#include "messages/journal.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// What a job is, and whom it talks to.
struct job_setup {
  std::string role;
  acquisition_key key;
  job_payload payload;
  int64_t taken_us = 0;         ///< when it was accepted, Unix time [us]
  std::optional<left_job> left; ///< by an earlier manager: goes on from there
  std::shared_ptr<const runner_config> runner;
  std::string system_id;
  std::string manager_host;
  int32_t concurrent_id = 0;
  std::chrono::milliseconds acquire_timeout{900'000};
  job_parent_actor parent;
  slot_source_actor group;
  dialer_actor dialer;
  coordinator_actor coordinator;
  journal_actor journal;
  std::shared_ptr<const edges> edge;
  std::shared_ptr<runner_metrics> metrics = std::make_shared<runner_metrics>();
};

/// Takes the log off the shelf when the job ends, however it ends.
class shelved_log {
public:
  shelved_log() = default;
  shelved_log(const shelved_log&) = delete;
  shelved_log& operator=(const shelved_log&) = delete;

  ~shelved_log() {
    if (shelf)
      shelf->drop(key);
  }

  std::shared_ptr<trace_shelf> shelf;
  acquisition_key key;
  std::shared_ptr<trace_buffer> log;
};

struct job_state {
  job_life::state life;
  job_life::options options;
  std::shared_ptr<job_metrics> told; ///< as long as the job is there
  shelved_log shelved;
  log_recipe recipe;
  std::vector<manager_line> lines; ///< of our own, before the first record
  plan_result plan;
  int32_t planned_slot = 0; ///< that `plan` was made for; -1: for none
  std::shared_ptr<job_recorder> recorder;
  std::unique_ptr<exec_plan> exec; ///< where there is no helper
  uint64_t exec_timer = 0;
  slot_source_actor group;       ///< in force
  coordinator_actor coordinator; ///< likewise
  trace_actor trace;
  peer slot;
  std::string socket_path;       ///< of the helper that has the plan
  bool has_other_helper = false; ///< than new jobs on the instance
  std::string bridge;            ///< see `stream_route`
  std::string engine;            ///< likewise
  uint64_t connection = 0;
  /// The transport's id of the stream in force; read at the edge.
  std::shared_ptr<std::atomic<uint64_t>> wire_stream
    = std::make_shared<std::atomic<uint64_t>>(0);
  /// The log begins with what another manager has sent: GitLab may have more of
  /// it than was made here again.
  bool is_remade = false;
  bool preparing_shown = false; ///< the section prepare_executor is open
  /// Whether the log wakes its sender: GitLab refuses one for a job that it has
  /// not marked as running yet (403), which would end the job.
  std::shared_ptr<std::atomic<bool>> log_open
    = std::make_shared<std::atomic<bool>>(false);
  time_point began;
  std::chrono::milliseconds used{0}; ///< of the job's time, before that
  int64_t began_unix = 0;            ///< the same on the wall clock [s]
  const char* name = "job";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_state& x) {
  return f(caf::meta::type_name("job_state"), x.life, x.slot);
}

/// One GitLab job. Spawned by its runner, which it monitors; it spawns its
/// trace and monitors that and its slot. A job that an earlier manager left is
/// attached to at its instance, and its log is made again from the first
/// record; GitLab says how much of it is there already. It ends with
/// `job_ended` once its result is confirmed. Its own failure counts as
/// `runner_system_failure`; a dead trace fails it, since output would be lost
/// in silence.
job_actor spawn_job(const spawner& at, job_setup setup);

} // namespace muster
