#pragma once

#include "actors/trace/mask.hpp"
#include "messages/secret.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Who wrote a piece of a log. Each has filters of its own.
enum class trace_source : uint8_t {
  manager_header, ///< `Running with ...` and what follows before the stages
  manager_body,   ///< headings, section markers, messages
  manager_final,  ///< `Job succeeded` and its like
  job_out,
  job_err,
};

/// Raw bytes that wait in all logs of a process together. Thread-safe.
class trace_budget {
public:
  explicit trace_budget(int64_t bytes_max = 16 << 20) : max_(bytes_max) {
  }

  void add(int64_t bytes) {
    auto now = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    auto most = peak_.load(std::memory_order_relaxed);
    while (
      now > most
      && !peak_.compare_exchange_weak(most, now, std::memory_order_relaxed))
      ;
  }

  bool is_spent() const {
    return used() >= max_;
  }

  int64_t used() const {
    return used_.load(std::memory_order_relaxed);
  }

  /// The most that it ever was.
  int64_t peak() const {
    return peak_.load(std::memory_order_relaxed);
  }

private:
  const int64_t max_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
};

struct trace_settings {
  std::vector<secret> masked; ///< values of the masked variables, expanded
  std::vector<std::string> job_token_prefixes; ///< of the job's features
  bool mask_all_default_tokens = true;         ///< FF_MASK_ALL_DEFAULT_TOKENS
  bool timestamps = true;                      ///< FF_TIMESTAMPS
  int64_t limit_bytes = 4'194'304;             ///< output_limit
  std::string temp_dir = "/tmp"; ///< for what does not stay in memory
  size_t queue_max = 512u << 10; ///< raw bytes of a job that may wait [bytes]
  /// When the budget is spent, a job may still have so many: none starves.
  size_t queue_min = 128u << 10;
  std::shared_ptr<trace_budget> budget{}; ///< null: none
};

/// Called from the thread that causes it, without a lock held; must not block
/// and must not call the buffer. Any may be empty.
struct trace_hooks {
  std::function<void()>
    grew; ///< once until the next `render`: there is something
  std::function<void()> pressed; ///< once until the next `render`: the queue is
                                 ///< half full, so render soon
  std::function<void()> room;    ///< `wanted` was 0 and is not any more
};

/// What is finished of a log at one moment.
struct trace_extent {
  int64_t size = 0;   ///< [bytes]
  uint32_t crc32 = 0; ///< of these bytes
  bool limit_reached = false;
};

/// The log of one job, where those who write it (the thread of the connections,
/// the job's actor) meet those who send it (the HTTP workers). Writers only
/// queue raw pieces. `render`, called by whoever is about to send, runs them
/// through the filters: masks, timestamps, UTF-8, output limit.
///
/// All functions may be called from any thread. Those of the reading side
/// (`render`, `read`) wait for each other, the writers never wait for them.
class trace_buffer {
public:
  explicit trace_buffer(const trace_settings& with, trace_hooks hooks = {});
  ~trace_buffer();

  /// Queues bytes; each call is one write to the filters, which matters where a
  /// line is not ended: a section marker is a call of its own. The order of
  /// calls is the order of the log. Bytes of the job are taken also beyond
  /// `wanted`, so that nothing is lost; whoever ignores it pays with memory.
  void append(trace_source source, int64_t unix_us, std::string_view bytes);

  /// Ends the filters of the job's output: the next stage has fresh ones.
  void end_stage(int64_t unix_us);

  /// Ends all filters. What is appended later is dropped.
  ///
  /// Beyond the limit only `manager_final` is kept, up to 16 KiB: unlike with
  /// GitLab Runner, a log always tells how its job ended.
  void finish(int64_t unix_us);

  /// Credit: how many raw bytes of the job may be queued now. If this is 0, the
  /// hook `room` tells when it is not any more. [bytes]
  size_t wanted() const;

  /// Turns what is queued into finished log. Returns what is finished now.
  trace_extent render();

  /// Returns finished bytes, from any offset, also an earlier one.
  std::string read(int64_t offset, size_t max) const;

  /// What was finished by the last `render`.
  trace_extent extent() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace muster
