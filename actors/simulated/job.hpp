#pragma once

#include "actors/simulated/world.hpp"
#include "actors/traced.hpp"
#include "messages/group.hpp"
#include "messages/job.hpp"

namespace muster::simulated {

/// What a simulated job hears: what a real one does of its slot.
using job_actor = acquirer_actor::extend<caf::reacts_to<job_timer>,
                                         caf::reacts_to<group_changed>>;

struct job_setup {
  acquisition_key key;
  size_t index = 0; ///< of the world's jobs
  slot_source_actor group;
  job_parent_actor parent;
};

struct job_state {
  const char* name = "simulated-job";
  slot_source_actor group;
  peer slot; ///< nobody while a claim is not answered
  instance_id instance;
  int32_t place = 0; ///< its slot there
};

/// A job without a log: it asks for a slot, holds it as long as the job took,
/// and gives it back. Of its slot's loss it thinks as a real job does. Spawned
/// by the runner.
job_actor spawn_job(const spawner& at, job_setup setup, world_ptr all);

} // namespace muster::simulated
