#pragma once

#include "actors/recorder/codec.hpp"
#include "actors/recorder/record.hpp"
#include "actors/recorder/segment.hpp"
#include "actors/recorder/segment_writer.hpp"
#include "actors/traced.hpp"
#include "messages/recording.hpp"
#include "messages/secret.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace muster {

struct recorder_options {
  segment_writer_options writer;
  run_begun about;
  /// The wall clock, Unix time [us].
  std::function<int64_t()> unix_us;
  /// Appends an actor's state for a replay, at the begin of each segment; null:
  /// there is none. Secrets go by the context.
  std::function<void(std::string& to, const caf::local_actor&,
                     writing_context&)>
    state_bytes;
};

/// What a recorder has done, from any thread.
struct recorder_counters {
  uint64_t records = 0; ///< written, or on their way
  uint64_t lost = 0;    ///< records for which there was no room, or no disk
  uint64_t bytes = 0;   ///< written
  uint64_t segments = 0;
  bool is_failing = false;
};

/// The door of a live run: writes down what passes it. Nobody waits for a disk
/// here, only for another thread that is about to write down something, too.
class recorder final : public delivery, private writing_context {
public:
  /// Begins the first segment.
  explicit recorder(recorder_options options);
  recorder(const recorder&) = delete;
  recorder& operator=(const recorder&) = delete;
  ~recorder() override;

  /// Has a configuration made into text, its secrets numbered and known from
  /// then on, and writes down that it is in force. `to_text` runs before this
  /// returns.
  void configured(const std::string& path, std::vector<std::string> runners,
                  const std::function<std::string(secret_book&)>& to_text);

  /// Takes secrets that are not to be found in any text.
  void keep(const std::vector<secret>& secrets);

  /// The wall clock for decisions: while an actor handles a message, the time
  /// that stands in its record.
  int64_t unix_us() const;

  recorder_counters counters() const;

  /// Writes what there is so far before it returns, unless that takes long.
  void flush();

  bool hold(caf::actor_control_block* to,
            caf::mailbox_element_ptr& what) override;
  void handling(const caf::local_actor& self,
                const caf::mailbox_element& what) override;
  void born(const caf::strong_actor_ptr& who, const std::string& role,
            caf::actor_id parent, state_text show) override;
  void ended(const caf::local_actor& self, const caf::error& why) override;
  void sent(const caf::local_actor& to,
            const caf::mailbox_element& what) override;
  void note(const caf::local_actor& self, const caf::message& what) override;

private:
  struct row {
    player who;
    caf::weak_actor_ptr actor;
    state_text show = nullptr; ///< null: an edge
    bool is_over = false;
  };

  struct role_row {
    uint32_t lives = 0;
    uint32_t rows = 0; ///< that still have it
  };

  struct moment {
    int64_t at_ns = 0;
    int64_t unix_us = 0;
  };

  /// Holds the mutex. Whom a snapshot has kept alive is let go of after that:
  /// if it was the last who did, its end comes by the door.
  class turn {
  public:
    explicit turn(recorder& x) : recorder_(x), guard_(x.mutex_) {
    }

    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

    ~turn() {
      auto gone = std::move(recorder_.kept_);
      guard_.unlock();
    }

  private:
    recorder& recorder_;
    std::unique_lock<std::mutex> guard_;
  };

  uint32_t number_of(uint64_t actor, const std::string& role) const override;
  secret_book& secrets() override;

  const row* find(caf::actor_id id) const;
  moment now() const;
  void write(raw_record x, const moment& at, const caf::type_erased_tuple* what,
             bool may_begin = false);
  void encode(raw_record x, const moment& at,
              const caf::type_erased_tuple* what);
  bool has_segment(const moment& at, bool may_begin);
  void begin_segment(const moment& at);
  void put_snapshot(std::string& to, const moment& at);
  void put_state(std::string& to, const row& x, const moment& at);
  void forget_oldest();

  recorder_options options_;
  time_point began_;
  int64_t began_unix_us_;
  std::chrono::nanoseconds segment_age_max_;

  mutable std::mutex mutex_; ///< of all below
  secret_book secrets_;
  std::unordered_map<caf::actor_id, row> rows_;
  std::unordered_map<std::string, role_row> roles_;
  std::deque<caf::actor_id> over_; ///< ended, the oldest first
  uint32_t players_ = 0;
  uint64_t number_ = 0; ///< of the last record
  uint64_t segment_ = 0;
  size_t segment_bytes_ = 0; ///< put so far
  int64_t segment_at_ns_ = 0;
  uint64_t missing_ = 0; ///< records since the last that was written
  config_in_force config_;
  std::vector<caf::strong_actor_ptr> kept_;
  std::string payload_;
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> lost_{0};
  segment_writer writer_;
};

} // namespace muster
