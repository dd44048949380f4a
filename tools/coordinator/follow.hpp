#pragma once

#include "tools/coordinator/pipeline_feed.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace muster::gitlab {

/// What a pipeline is judged by.
enum class judgement : uint8_t {
  expectations, ///< every job ended as its variable EXPECT says
  state,        ///< the pipeline passed, as GitLab sees it
};

struct follow_options {
  bool colours = false;
  bool logs = true; ///< show the jobs' logs, not only the closing table
  std::chrono::milliseconds timeout{3'600'000};
  std::string manager_log; ///< a file: `job_places` tells the table's instances
                           ///< and slots; empty: only the jobs' logs do
  judgement by = judgement::expectations;
  /// Asked every second at least; no ends the watching: status 3.
  std::function<bool()> goes_on;
};

/// Shows a pipeline's logs on stdout as they come, each line with its job's
/// name in front, and a closing table. Returns 0 when it is judged well, 1 if
/// not, 2 at the deadline, 3 as `goes_on` says. Errors: of the feed.
result<int, client_errc> follow_pipeline(pipeline_feed& feed,
                                         const follow_options& options);

} // namespace muster::gitlab
