#pragma once

#include "executors/docker/images.hpp"
#include "executors/docker/workplace.hpp"

#include <string>

namespace muster::docker {

/// The helper container makes this file once its image's entrypoint is done.
inline constexpr const char* entered_mark = "/tmp/.muster-entered";

/// Makes the helper container, which stays for the whole job, and starts it:
/// the stages are commands in it.
job_result<void> make_helper(const workplace& with);

/// Makes the build container, not started.
job_result<void> make_build(const workplace& with);

/// Removes a container that a stage was ended in: what it ran may go on there.
/// The next one that needs it makes it anew.
job_result<void> drop_used(const workplace& with);

/// Returns the command that runs a helper stage's script: what the manager
/// wants to be the helper's.
json helper_command(const workplace& with);

} // namespace muster::docker
