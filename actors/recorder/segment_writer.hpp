#pragma once

#include "actors/recorder/byte_ring.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace muster {

struct segment_writer_options {
  std::string folder;
  int64_t size_max = 256 << 20; ///< of all segments there [bytes]
  std::chrono::milliseconds age_max{604'800'000}; ///< of one [ms]
  size_t ring_bytes = 8 << 20;                    ///< a power of two
  /// Between what is put and what is written.
  std::chrono::milliseconds delay{20};
  /// After a failure, until it is tried again.
  std::chrono::milliseconds retry_pause{10'000};
  /// What happened, for people: once when it fails, once when it goes on.
  std::function<void(bool is_problem, const std::string& text)> tell;
};

/// Brings frames to disk from a thread of its own. Whoever puts them never
/// waits for it: what has no room, or cannot be written, is lost and counted.
class segment_writer {
public:
  explicit segment_writer(segment_writer_options options);
  segment_writer(const segment_writer&) = delete;
  segment_writer& operator=(const segment_writer&) = delete;

  /// Writes what was put, for a second at most.
  ~segment_writer();

  /// When a segment is full: a part of what all may have.
  size_t segment_bytes() const {
    return segment_bytes_;
  }

  /// Puts a whole frame in two parts. Returns false if there is no room for it,
  /// or nothing is being written. By one thread at a time, as `begin`.
  bool put(std::string_view prefix, std::string_view payload);

  /// What is put from now on is of another segment, which begins with
  /// `beginning`. Returns false if there are too many on their way.
  bool begin(std::string name, std::string beginning);

  /// Whether there is room for much.
  bool has_room() const {
    return ring_.written() - ring_.taken() < ring_.size() / 2;
  }

  /// Whether a segment should begin since the last one could not be written.
  bool wants_segment() const {
    return wants_segment_;
  }

  /// Whether what is put is lost.
  bool is_failing() const {
    return failing_;
  }

  /// Frames that were taken and lost nevertheless.
  uint64_t lost() const {
    return lost_;
  }

  uint64_t bytes_written() const {
    return bytes_;
  }

  uint64_t segments_begun() const {
    return segments_;
  }

  /// Writes what was put so far before it returns, unless that takes long. For
  /// tests and for the end.
  void flush(std::chrono::milliseconds timeout = std::chrono::seconds(1));

private:
  struct beginning {
    uint64_t at = 0; ///< in the ring
    std::string name;
    std::string bytes;
  };

  void run();
  void write_waiting();
  void write_until(uint64_t end);
  bool write_bytes(std::string_view bytes);
  void open_segment(const beginning& x);
  void close_segment();
  void fail(const std::string& what, int error);
  void try_again();
  void make_room(const std::string& current);
  void count_lost(uint64_t end);

  segment_writer_options options_;
  size_t segment_bytes_;
  byte_ring ring_;
  std::mutex mutex_; ///< of what follows; never held while the disk is used
  std::condition_variable wake_;
  std::condition_variable written_;
  std::deque<beginning> beginnings_;
  bool stopping_ = false;
  bool hurries_ = false; ///< somebody waits for what was put
  uint64_t written_to_ = 0;

  std::atomic<bool> asleep_{false};
  std::atomic<bool> failing_{false};
  std::atomic<bool> wants_segment_{false};
  std::atomic<uint64_t> lost_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> segments_{0};

  // Of the thread alone.
  int file_ = -1;
  std::string current_;
  bool told_ = false;
  std::chrono::steady_clock::time_point retry_at_;
  std::chrono::steady_clock::time_point look_at_;
  std::thread thread_;
};

} // namespace muster
