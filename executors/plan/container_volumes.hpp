#pragma once

#include "executors/plan/container_names.hpp"
#include "executors/plan/directories.hpp"

#include <string>
#include <vector>

namespace muster {

/// What the volumes of a job depend on.
struct volume_facts {
  const docker_config& docker;
  const job_variables& variables; ///< expanded
  const container_names& names;
  std::string builds;       ///< the root of all jobs' folders
  std::string project;      ///< relative places are below it
  bool keep_builds = false; ///< for the next job: the git strategy is fetch
  bool is_protected = false;
  /// Of all volumes, without those that differ.
  std::map<std::string, std::string> labels;
};

struct job_volumes {
  std::vector<std::string> binds; ///< for all containers
  std::vector<volume_request> made;
};

/// Lays out the volumes of a job: those of the configuration and one for the
/// builds, unless one of the former has them.
///
/// Errors: `configuration_error`: two have the same place, or one has `/`.
/// Source: reference/docker-executor, section 4.
result<job_volumes, job_errc> lay_out_volumes(const volume_facts& from);

/// Whether a mount of the configuration has the builds' root in it: then other
/// jobs' folders are there, too.
bool has_mounted_builds(const docker_config& docker,
                        const job_variables& variables,
                        const std::string& builds);

} // namespace muster
