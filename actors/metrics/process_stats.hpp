#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// What Linux tells of this process.
struct process_stats {
  double cpu_s = 0;   ///< user and system
  double start_s = 0; ///< Unix time
  int64_t resident_bytes = 0;
  int64_t virtual_bytes = 0;
  int64_t open_fds = 0;
  int64_t fds_max = 0;
};

/// Reads them from /proc/self. What cannot be read is 0.
process_stats read_process_stats();

/// Fills in what `/proc/PID/stat` tells. Pure. `boot_s` is the Unix time at
/// which the machine was started.
void parse_stat(std::string_view text, int64_t ticks_per_second,
                int64_t page_bytes, double boot_s, process_stats& into);

} // namespace muster
