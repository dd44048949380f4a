#pragma once

#include "actors/metrics_sink.hpp"

#include <memory>
#include <prometheus/labels.h>

namespace muster {

class metrics_core;

/// Counts for one group; its instances and slots are no longer shown when it
/// goes. `runner` are the labels of its runner.
std::shared_ptr<group_metrics>
make_group_series(std::shared_ptr<metrics_core> core,
                  const prometheus::Labels& runner);

} // namespace muster
