#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace muster::gitlab {

/// Unix time [µs].
int64_t now_us();

/// Something that a client of the job API must not do.
struct violation {
  int64_t at_us = 0; ///< Unix time [µs]
  std::string rule;  ///< short and stable: `trace-gap`, `second-final-state`
  int64_t job = 0;   ///< 0: not about a job
  std::string text;
};

/// Collects violations, from any thread. All are counted, the last thousand are
/// kept.
class violation_log {
public:
  /// With `strict` each one is also written to stderr at once.
  explicit violation_log(bool strict = false) : strict_(strict) {
  }

  void add(std::string rule, int64_t job, std::string text);

  std::vector<violation> list() const;
  std::map<std::string, uint64_t> counts() const;
  uint64_t total() const;
  void clear();

private:
  const bool strict_;
  mutable std::mutex mutex_;
  std::deque<violation> last_;
  std::map<std::string, uint64_t> counts_;
};

} // namespace muster::gitlab
