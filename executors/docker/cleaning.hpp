#pragma once

#include "executors/docker/workplace.hpp"

#include <string>

namespace muster::docker {

/// Removes all that a job has made: its containers, temporary volumes and
/// network, and whatever has its label. Tries again while the Engine does not
/// answer, until `until`.
/// @return empty when nothing is left, else what is, or why that is not known
std::string clean(const workplace& with, deadline until);

} // namespace muster::docker
