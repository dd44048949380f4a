#pragma once

#include "executors/docker/outcome.hpp"
#include "executors/docker/workplace.hpp"
#include "executors/helper/stage_report.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace muster::docker {

/// A script for a container, on its shell's standard input.
struct container_script {
  std::string_view text;
  std::string job_status; ///< CI_JOB_STATUS; empty: not set
};

/// Runs a script in the job's own container, started for it alone. Its output
/// goes to our own. SIGTERM ends the script.
helper::stage_result run_in_build(const workplace& with,
                                  const container_script& what);

/// Runs a script as a command in the helper container.
helper::stage_result run_in_helper(const workplace& with,
                                   const container_script& what);

/// Gives the volumes' roots to everybody, by a command in the helper container
/// for which only the shell is needed.
job_result<void> open_roots(const workplace& with);

/// What a command in the helper container did.
struct command_end {
  int32_t exit_code = 0;
  std::string output; ///< the first 64 KiB of it
};

/// Runs a command in the helper container to its end.
/// @param environment `NAME=value`
/// Errors: `broken` if the container or the Engine went away.
job_result<command_end>
run_command(const workplace& with, const json& command,
            const std::vector<std::string>& environment);

} // namespace muster::docker
