#pragma once

#include "executors/docker/engine.hpp"
#include "executors/docker/multiplexed.hpp"
#include "executors/docker/outcome.hpp"
#include "executors/docker/workplace.hpp"
#include "executors/helper/stage_report.hpp"

#include <cstdint>
#include <string_view>
#include <thread>

namespace muster::docker {

// What scripts in the job's own container and in the helper's have in common.

helper::stage_result broken(const failure<plan_outcome>& why);
helper::stage_result exited(int32_t code);

/// A container's output becomes our own.
void pass_on(demultiplexer::origin from, std::string_view bytes);

void mark_used(const workplace& with, container_state job_state::*which,
               bool used);

/// False with the host's processes in sight: to end those of the container
/// would end them, too.
bool sees_own_processes_only(const container_request& what);

/// Writes a script to a container while its output is read.
class script_writer {
public:
  script_writer(attached& to, std::string_view text)
    : to_(to),
      thread_([&to, text] { to.write_all(text); }) {
  }

  script_writer(const script_writer&) = delete;
  script_writer& operator=(const script_writer&) = delete;

  ~script_writer() {
    to_.shut_down();
    thread_.join();
  }

private:
  attached& to_;
  std::thread thread_;
};

} // namespace muster::docker
