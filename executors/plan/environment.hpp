#pragma once

#include "executors/plan/build.hpp"
#include "executors/plan/directories.hpp"
#include "executors/shells/posix.hpp"

#include <set>
#include <string>
#include <vector>

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

/// Linux starts no program with more than this of one variable, `NAME=value`
/// (MAX_ARG_STRLEN less the byte behind it) [bytes].
constexpr size_t exported_max = (128u << 10) - 1;
/// Nor with more than 2 MiB of all variables and arguments together, where the
/// stack has its usual limit of 8 MiB: the rest is for arguments and for what
/// the login has of its own [bytes].
constexpr size_t exported_total_max = (2u << 20) - (128u << 10);

/// Returns the names of those variables that would keep a shell from starting
/// any program at all ("Argument list too long"): each that is too large by
/// itself, and the largest ones of those that are too much together.
std::set<std::string>
too_large_to_export(const std::vector<job_variable>& in_force);

/// Writes what makes the variables the environment of a stage, file variables
/// written and GITLAB_ENV read. What is too large for that is a variable of the
/// shell alone.
void write_exports(posix::script& out, const job_variables& expanded,
                   const job_directories& dirs, const export_options& options);

/// Returns the path of the file in which a job leaves variables for its later
/// stages.
std::string gitlab_env_path(const job_directories& dirs);

/// Whether a shell can be given this variable: those with other names are left
/// out, as are the few that a shell sets itself and does not let go.
bool can_export(const job_variable& x);

} // namespace muster
