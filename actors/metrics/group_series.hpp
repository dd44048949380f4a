#pragma once

#include "actors/metrics_sink.hpp"

#include <memory>
#include <prometheus/labels.h>

namespace muster {

class metrics_core;

/// Counts for one group; its instances and slots are no longer shown when it
/// goes. `runner` are the labels of its runner. Bounds of histograms are those
/// of the first group of that runner in this process.
std::shared_ptr<group_metrics>
make_group_series(std::shared_ptr<metrics_core> core,
                  const prometheus::Labels& runner, const time_buckets& bounds);

} // namespace muster
