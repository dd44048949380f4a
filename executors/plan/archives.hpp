#pragma once

#include "executors/plan/build.hpp"
#include "executors/plan/settings.hpp"
#include "executors/shells/posix.hpp"

namespace muster {

/// All that a job's artifacts depend on.
struct artifact_context {
  const job_payload& payload;
  const runner_config& runner;
  const plan_facts& facts;
  const job_variables& variables; ///< expanded
  const job_settings& settings;
};

/// Whether an earlier job has artifacts that this one wants.
bool has_downloads(const job_payload& payload);

/// Whether there is something to upload after this end of the job.
bool has_uploads(const job_payload& payload, const runner_config& runner,
                 bool success);

/// Writes downloading what earlier jobs have left, into the project's folder.
/// The first that fails fails the stage.
void write_download_artifacts(posix::script& out, const artifact_context& from);

/// Writes uploading what is wanted after this end of the job, in the payload's
/// order. The first that fails fails the stage.
///
/// Source: reference/job-stages, section 10.
void write_upload_artifacts(posix::script& out, const artifact_context& from,
                            bool success);

} // namespace muster
