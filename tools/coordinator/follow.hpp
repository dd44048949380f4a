#pragma once

#include "tools/coordinator/control_client.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace muster::gitlab {

struct follow_options {
  bool colours = false;
  bool logs = true; ///< show the jobs' logs, not only the closing table
  std::chrono::milliseconds timeout{3'600'000};
  std::string manager_log; ///< a file: `job_places` tells the table's instances
                           ///< and slots; empty: only the jobs' logs do
};

/// Shows a pipeline's logs on stdout as they come, each line with its job's
/// name in front, and a closing table. Returns 0 when every job ended as it was
/// expected to, 1 if one did not, 2 at the deadline. Errors: of the client.
result<int, client_errc> follow_pipeline(control_client& server, int64_t id,
                                         const follow_options& options);

} // namespace muster::gitlab
