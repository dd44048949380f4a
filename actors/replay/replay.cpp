#include "actors/replay/replay.hpp"

#include "actors/replay/world.hpp"

namespace muster {

replay::replay(replay_options options)
  : world_(std::make_unique<world>(std::move(options))) {
}

replay::~replay() = default;

bool replay::take(const record& x) {
  return world_->take(x);
}

void replay::end_at(const record& last) {
  world_->end_at(last);
}

const replay_report& replay::report() const {
  return world_->report;
}

} // namespace muster
