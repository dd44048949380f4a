#pragma once

#include "actors/metrics_sink.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace muster {

/// What of the process is not told but looked at when somebody asks.
struct process_samples {
  int64_t log_bytes = 0; ///< raw bytes that wait in all logs
  int64_t log_bytes_peak = 0;
  int64_t ssh_commands = 0;
  int64_t ssh_commands_peak = 0;
  int64_t warnings = 0; ///< lines logged
  int64_t errors = 0;
  int64_t fatals = 0;
  int64_t records = 0;      ///< of the flight recorder, written
  int64_t records_lost = 0; ///< not written
  int64_t record_bytes = 0;
  bool is_recording = false; ///< and what is recorded can be written
};

/// Who runs, for `gitlab_runner_version_info`.
struct program_facts {
  std::string version;
  std::string revision;
  std::string branch;
  int concurrent = 1;
};

/// The table of all series, and what else the metrics server shows. All
/// functions may be called from any thread, at any time; what was made by it
/// may outlive it.
class metrics_table final : public metrics_sink {
public:
  explicit metrics_table(const program_facts& program);
  ~metrics_table() override;

  std::shared_ptr<runner_metrics> runner(const runner_facts& x) override;
  void is(process_state x) override;
  std::shared_ptr<queue_metrics> queue(told_queue which) override;
  void config_read(bool is_in_force) override;
  void concurrent(int jobs) override;

  /// Called at each `text`; until it is given, its series are not shown.
  void sample_with(std::function<process_samples()> look);

  /// Everything, in the text format of Prometheus.
  std::string text() const;

  /// The body of `/debug/jobs/list`.
  std::string jobs_text() const;

  process_state state() const;

private:
  struct core;
  std::shared_ptr<core> core_;
};

std::string to_string(process_state x);

} // namespace muster
