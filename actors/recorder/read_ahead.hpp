#pragma once

#include "actors/recorder/reader.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace muster {

/// Reads a recording in a thread of its own, some records ahead of whoever
/// takes them.
class read_ahead {
public:
  explicit read_ahead(recording_reader from);
  read_ahead(const read_ahead&) = delete;
  read_ahead& operator=(const read_ahead&) = delete;
  ~read_ahead();

  /// The next record. Returns false at the end.
  bool next(record& into);

  /// Reads no more; for what the reader tells beside the records.
  const recording_reader& stop();

private:
  using batch = std::vector<record>;

  void read();

  recording_reader from_;
  std::mutex mutex_; ///< of these three
  std::condition_variable changed_;
  std::deque<batch> ready_; ///< the last one is empty: the end
  bool stops_ = false;
  batch taken_;
  size_t next_ = 0; ///< of those taken
  std::thread thread_;
};

} // namespace muster
