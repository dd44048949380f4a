#pragma once

#include "actors/edges.hpp"
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
#include <string>

namespace muster {

/// What a job is, and whom it talks to.
struct job_setup {
  std::string role;
  acquisition_key key;
  job_payload payload;
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
  shelved_log shelved;
  plan_result plan;
  int32_t planned_slot = 0; ///< that `plan` was made for
  std::shared_ptr<job_recorder> recorder;
  slot_source_actor group;       ///< in force
  coordinator_actor coordinator; ///< likewise
  trace_actor trace;
  peer slot;
  std::string socket_path; ///< of the helper
  uint64_t connection = 0;
  /// The transport's id of the stream in force; read at the edge.
  std::shared_ptr<std::atomic<uint64_t>> wire_stream
    = std::make_shared<std::atomic<uint64_t>>(0);
  bool preparing_shown = false; ///< the section prepare_executor is open
  /// Whether the log wakes its sender: GitLab refuses one for a job that it has
  /// not marked as running yet (403), which would end the job.
  std::shared_ptr<std::atomic<bool>> log_open
    = std::make_shared<std::atomic<bool>>(false);
  time_point began;
  int64_t began_unix = 0; ///< the same on the wall clock [s]
  const char* name = "job";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_state& x) {
  return f(caf::meta::type_name("job_state"), x.life, x.slot);
}

/// One GitLab job. Spawned by its runner, which it monitors; it spawns its
/// trace and monitors that and its slot. It ends with `job_ended` once its
/// result is confirmed. Its own failure counts as `runner_system_failure`; a
/// dead trace fails it, since output would be lost in silence.
job_actor::behavior_type job(self_ptr<job_actor, job_state> self,
                             job_setup setup);

} // namespace muster
