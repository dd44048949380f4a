#pragma once

#include "messages/plan.hpp"
#include "messages/secret.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace muster {

/// A stage, as a job's log shows it.
struct stage_text {
  std::string name;
  std::string heading;
  stage_phase phase = stage_phase::step;
  int32_t attempts_max = 1;
  bool failure_counts = true;
  std::string before; ///< whole lines shown before its section
  bool in_container = false;

  bool operator==(const stage_text&) const = default;
};

/// A line of the manager's own in a job's log.
struct manager_line {
  uint8_t source = 0; ///< `trace_source`
  int64_t unix_us = 0;
  secret text; ///< as it was before masking

  bool operator==(const manager_line&) const = default;
};

/// All that it takes, beside the manager's lines and the helper's records, to
/// make a job's log once more to the byte, and to bring the job to its end:
/// also for a later muster, which might plan the job in another way.
struct log_recipe {
  int64_t base_us = 0;     ///< Unix time from which the records' times count
  std::string socket_path; ///< of the helper that has the plan
  int64_t project = 0;
  int64_t timeout_ms = 0;                   ///< of the job [ms]
  int64_t prepare_timeout_ms = 0;           ///< 0: none of its own [ms]
  int64_t get_sources_timeout_ms = 0;       ///< likewise [ms]
  std::vector<std::string> failure_reasons; ///< that GitLab understands
  bool debug_trace = false;
  bool sections = false;
  std::vector<stage_text> stages;
  std::vector<secret> masked;
  std::vector<std::string> token_prefixes;
  bool mask_all_default_tokens = true;
  bool timestamps = true;
  int64_t limit_bytes = 0; ///< output_limit

  bool operator==(const log_recipe&) const = default;
};

} // namespace muster
