#pragma once

#include "executors/docker/outcome.hpp"
#include "executors/docker/workplace.hpp"

namespace muster::docker {

/// Gets ready all that a job needs at the Engine: images, volumes, a network,
/// services, the helper container (started) and the build container (not
/// started). Calls that do not need each other go at once.
///
/// A pull that is still under way when it fails goes on in another thread: the
/// process is to be ended then.
job_result<void> prepare(const workplace& with);

/// Returns a helper image's name with the architecture put in, as GitLab names
/// it in tags. @param machine as `uname -m` or an Engine says it
std::string with_architecture(const std::string& name,
                              const std::string& machine);

} // namespace muster::docker
