#pragma once

#include "executors/docker/outcome.hpp"
#include "executors/docker/workplace.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster::docker {

/// The one file of a tar that the Engine gives; nothing if it is none.
std::optional<std::string> first_file(std::string_view tar);

/// Returns `uid:gid` of a container's user (`name`, `1000`, `name:group`) by
/// the texts of its /etc/passwd and /etc/group; a user without a name there has
/// group 0. Nothing: root, or a name that nobody has.
std::optional<std::string> owner_of(const std::string& user,
                                    std::string_view passwd,
                                    std::string_view group);

/// Gives the job's folders to the user of its image, once, where the plan says
/// so (FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR): what the helper's container made
/// is root's. Source: reference/docker-executor, section 7.
/// Errors: `broken`, `misconfigured`.
job_result<void> give_to_user(const workplace& with);

} // namespace muster::docker
