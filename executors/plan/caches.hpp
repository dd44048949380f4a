#pragma once

#include "executors/cache/remote.hpp"
#include "executors/plan/directories.hpp"
#include "executors/plan/settings.hpp"
#include "executors/plan/variables.hpp"
#include "executors/shells/posix.hpp"
#include "messages/payload.hpp"

#include <string>
#include <vector>

namespace muster {

/// All that restoring and keeping a job's caches depends on.
struct cache_context {
  const job_payload& payload;
  const runner_config& runner;
  const job_directories& dirs;
  const job_variables& variables; ///< expanded
  const job_settings& settings;
  cache_owner owner;
  signing_time time; ///< of requests for caches in object storage
};

/// What must not appear in a log: the signatures that a script holds.
using signatures = std::vector<std::string>;

/// Whether one of the job's caches names something to keep.
bool has_caches(const job_payload& payload);

/// Whether one of them is kept after this end of the job.
bool keeps_caches(const job_payload& payload, bool success);

/// Writes restoring the caches, in the project's folder: of each the first of
/// its keys that there is. A cache that cannot be restored is told and no
/// failure; a policy that is none fails the stage.
///
/// Source: reference/job-stages, section 9; reference/trace, section 2.
signatures write_restore_caches(posix::script& out, const cache_context& from);

/// Writes keeping those that are wanted after this end of the job.
signatures write_archive_caches(posix::script& out, const cache_context& from,
                                bool success);

} // namespace muster
