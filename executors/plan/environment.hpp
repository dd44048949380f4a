#pragma once

#include "executors/plan/build.hpp"
#include "executors/plan/directories.hpp"
#include "executors/shells/posix.hpp"

namespace muster {

/// Returns the job's variables in the order of their precedence, not expanded
/// (reference/job-stages, section 4). Before the directories are laid out, the
/// ones in `dirs` may be empty.
job_variables collect_variables(const job_payload& payload,
                                const runner_config& runner,
                                const plan_facts& facts,
                                const job_directories& dirs);

/// What a stage is given.
struct export_options {
  bool status = true; ///< CI_JOB_STATUS too; false: its environment has it
  std::string folder; ///< made along with the temporary one; empty: none
};

/// Writes what makes the variables the environment of a stage, file variables
/// written and GITLAB_ENV read.
void write_exports(posix::script& out, const job_variables& expanded,
                   const job_directories& dirs, const export_options& options);

/// Returns the path of the file in which a job leaves variables for its later
/// stages.
std::string gitlab_env_path(const job_directories& dirs);

/// Whether a shell can be given this variable: those with other names are left
/// out, as are the few that a shell sets itself and does not let go.
bool can_export(const job_variable& x);

} // namespace muster
