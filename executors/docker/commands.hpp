#pragma once

#include "executors/docker/engine.hpp"
#include "executors/helper/stage_report.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace muster::docker {

/// The Engine's request for a command in a container.
/// @param environment `NAME=value`
json command_body(const json& command,
                  const std::vector<std::string>& environment, bool with_input);

/// Prepares a command in a container and returns its id.
engine_result<std::string> create_command(const engine& at,
                                          const std::string& container,
                                          const json& body);

/// Starts a prepared command, with its input and output.
engine_result<attached> start_command(const engine& at, const std::string& id);

/// Returns the exit code of a command whose output has ended. The two come on
/// different ways: the code may be late. Errors: `timed_out` after half a
/// minute.
engine_result<int32_t> command_exit(const engine& at, const std::string& id);

/// Ends what runs in a container: first all of its processes but the first are
/// told to, then the container is stopped.
/// @param sweeps false: no process is told; with the host's processes in sight
///               those would be
void stop_container(const engine& at, const std::string& id, bool sweeps);

} // namespace muster::docker
