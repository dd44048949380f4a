#pragma once

#include "executors/docker/engine.hpp"
#include "executors/docker/interrupts.hpp"
#include "executors/docker/job_state.hpp"
#include "messages/plan.hpp"

namespace muster::docker {

/// What a stage works with.
struct workplace {
  const job_plan& plan;
  engine& at;
  kept_state& state;
  interrupts& signals;

  const container_plan& containers() const {
    return *plan.containers;
  }
};

} // namespace muster::docker
