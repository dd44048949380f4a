#pragma once

#include "executors/helper/connection.hpp"
#include "executors/helper/job_run.hpp"

#include <chrono>
#include <string>

namespace muster::helper {

struct supervisor_settings {
  job_settings job;
  std::string socket_path;   ///< where `listener` listens; removed at the end
  std::string leftover_path; ///< see leftover.hpp; removed with that
  std::string build;         ///< version text, for `welcome`
  std::chrono::seconds keep{
    std::chrono::hours{24}}; ///< records of an ended job
                             ///< that nobody asks for
};

/// Is the process of one job: carries out the plan, streams its records to
/// `first` and to all who come through `listener`, and stays until the job is
/// cleaned. The daemon hands connections over through `listener`; it need not
/// live, and a new one finds the job there.
///
/// SIGTERM ends the job's processes and then this one.
/// @return exit status of the process: 0 when the job was cleaned
int supervise(supervisor_settings settings, unique_fd listener,
              connection first);

} // namespace muster::helper
