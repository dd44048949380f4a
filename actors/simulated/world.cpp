#include "actors/simulated/world.hpp"

#include <algorithm>
#include <utility>

namespace muster::simulated {

namespace {

/// Another course for each of those who draw.
constexpr uint64_t cloud_seed = 0x9E3779B97F4A7C15;

} // namespace

world::world(world_options given)
  : options(std::move(given)),
    machines(options.cloud, options.seed ^ cloud_seed),
    luck(options.seed),
    courses(options.jobs.size()) {
}

bool world::happens(double share) {
  return share > 0 && std::uniform_real_distribution<>{0, 1}(luck) < share;
}

time_point world::answer_at(call what, time_point now) {
  ++calls[static_cast<size_t>(what)];
  auto takes = options.takes.calls[static_cast<size_t>(what)];
  if (happens(options.faults.late))
    takes
      += milliseconds{std::uniform_int_distribution<int64_t>{0, 60'000}(luck)};
  provider_free = std::max(provider_free, now) + takes;
  return provider_free;
}

} // namespace muster::simulated
