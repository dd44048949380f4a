#pragma once

#include "actors/metrics_sink.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace muster {

class metrics_core;

/// Counts for one runner.
std::shared_ptr<runner_metrics>
make_runner_series(std::shared_ptr<metrics_core> core, const runner_facts& x);

/// Returns the stage if it is one that GitLab knows, else what stands for all
/// others: the names of steps are the job's.
std::string known_stage(std::string_view name);

} // namespace muster
