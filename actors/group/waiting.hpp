#pragma once

#include <cstddef>
#include <string>

namespace muster {

/// What keeps a job from getting a slot, as far as its group knows.
struct waiting_facts {
  size_t ahead = 0;          ///< jobs that wait before this one
  int starting = 0;          ///< asked for, or not ready yet [instances]
  int instances = 0;         ///< ready or about to be [instances]
  int instances_max = 0;     ///< 0: no limit [instances]
  int slots_taken = 0;       ///< held by jobs, or being cleaned [slots]
  bool no_provider = false;  ///< it is being started again
  bool may_not_grow = false; ///< instances failed: the next one is held back
  std::string problem = {};  ///< of the last instance, or of asking for one
};

/// Returns the line for the job's log: `Waiting for a free slot: ...`. It has
/// no times in it, so that it stays the same while nothing changes.
std::string waiting_text(const waiting_facts& x);

} // namespace muster
