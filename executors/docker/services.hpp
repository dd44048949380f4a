#pragma once

#include "executors/docker/outcome.hpp"
#include "executors/docker/workplace.hpp"

namespace muster::docker {

/// Starts the services one after the other, makes their names known to the
/// containers that follow and to the running helper container, and waits until
/// they take connections. One that does not is only warned of.
job_result<void> start_services(const workplace& with);

/// Follows the services' logs into the job's (CI_DEBUG_SERVICES) until they
/// end.
void follow_services(const workplace& with);

} // namespace muster::docker
