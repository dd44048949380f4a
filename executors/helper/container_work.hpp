#pragma once

#include "executors/helper/processes.hpp"
#include "executors/helper/stage_report.hpp"
#include "executors/helper/unique_fd.hpp"
#include "messages/plan.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster::helper {

/// What the processes of a job's stages get to know on their command line;
/// everything else is in files in memory: the plan has secrets.
constexpr const char* container_stage_command = "container-stage";
constexpr const char* container_logs_command = "container-logs";
constexpr const char* container_clean_command = "container-clean";
constexpr int plan_descriptor = 3;   ///< the plan, as a frame
constexpr int report_descriptor = 4; ///< see `stage_report`

/// Has the stages of a plan with containers carried out, each by a process of
/// its own, which is this program again: what speaks with the Engine may block
/// and may fail without its supervisor.
class container_work {
public:
  /// Errors: `failed`: no memory.
  static result<container_work, helper_errc> make(const job_plan& plan);

  struct surroundings {
    std::string home;
    std::vector<std::string> environment;
  };

  /// Starts a stage, or its `before_retry`.
  result<running_script, helper_errc>
  start_stage(uint32_t stage, bool before_retry, const std::string& job_status,
              const surroundings& with) const;

  /// Starts what follows the services' logs (CI_DEBUG_SERVICES).
  result<running_script, helper_errc>
  start_logs(const surroundings& with) const;

  /// Starts what removes all that the job has made at the Engine. `died`: so
  /// did its supervisor, and nothing is known of its stages.
  result<running_script, helper_errc> start_clean(const surroundings& with,
                                                  bool died = false) const;

  /// Returns how the last one started ended; nothing: it did not come to say.
  std::optional<stage_result> result_of_last() const {
    return stage_report{report_.get()}.result();
  }

private:
  result<running_script, helper_errc> start(std::vector<std::string> arguments,
                                            const surroundings& with) const;

  unique_fd plan_;
  unique_fd report_;
};

} // namespace muster::helper
