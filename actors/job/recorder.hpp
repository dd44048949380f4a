#pragma once

#include "actors/metrics_sink.hpp"
#include "actors/trace/trace_buffer.hpp"
#include "executors/helper/frames.hpp"
#include "executors/transport.hpp"
#include "messages/job.hpp"
#include "messages/log_recipe.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster {

/// Turns the records of a job, as they come from its helper, into its log and
/// into messages to its actor. Lives as long as the job, over all streams to
/// it; used from the transport's thread only. No record is taken twice, none
/// left out.
class job_recorder {
public:
  /// Times of records count from `base_us`, Unix time [us], which `unix_us`
  /// tells. A stream may keep this longer than the job is there: `told` it does
  /// not keep.
  job_recorder(std::shared_ptr<trace_buffer> log,
               std::vector<stage_text> stages, bool sections, int64_t base_us,
               stream_listener_actor to, std::weak_ptr<job_metrics> told = {},
               std::function<int64_t()> unix_us = {});

  /// The stream that is listened to from now on, unless a newer one is there.
  void begin_stream(uint64_t number);

  /// Returns false if the stream must be closed: what came is not the protocol.
  bool take(uint64_t stream, const frames::frame& x);

  void stream_closed(uint64_t stream, const connection_failure& why);

  void broken(uint64_t stream, const failure<helper_errc>& why);

  /// Whether the section `prepare_executor` is open still; it counts as closed
  /// then. The job's actor has begun it, a stage of that name ends it. From any
  /// thread.
  bool leave_preparing() {
    return preparing_.exchange(false);
  }

  size_t wanted() const {
    return log_->wanted();
  }

private:
  trace_source source_of(const frames::output& x) const;
  bool is_next(uint64_t record);
  int64_t at(int64_t time_us) const;
  void stage_begun(const frames::stage_begun& x);
  void tell_stage(const frames::stage_begun& x) const;
  void stage_ended(const frames::stage_ended& x);
  void explain(const stage_text& stage, const frames::stage_ended& x);
  void job_ended(const frames::job_ended& x);
  void body(int64_t time_us, const std::string& text);
  void begin_section(int64_t time_us, const std::string& name);
  void end_section(int64_t time_us, const std::string& name);
  void lost(bool refused, caf::error why);

  std::shared_ptr<trace_buffer> log_;
  std::vector<stage_text> stages_;
  bool sections_;
  int64_t base_us_;
  stream_listener_actor to_;
  std::weak_ptr<job_metrics> told_;
  std::function<int64_t()> unix_us_;
  uint64_t next_record_ = 0;
  uint64_t stream_ = 0; ///< in force; 0: none
  uint64_t newest_ = 0; ///< that was ever in force
  std::string due_;     ///< a line to be written when a stage begins
  bool ended_ = false;  ///< the job's last record was taken
  bool fits_ = true;    ///< the records come without a gap
  std::atomic<bool> preparing_ = false; ///< see `leave_preparing`
};

/// One stream to the helper.
class job_stream : public stream_sink {
public:
  /// `ask_to_pack` is called once, from the transport's thread, when there is
  /// much output and a helper that can send it packed.
  job_stream(std::shared_ptr<job_recorder> to, uint64_t number,
             std::function<void()> ask_to_pack);

  void opened() override;
  size_t wanted() override;
  void data(std::string_view bytes) override;
  void closed(const connection_failure& why) override;

private:
  std::shared_ptr<job_recorder> to_;
  uint64_t number_;
  std::function<void()> ask_to_pack_;
  frames::decoder decoder_;
  uint32_t helper_version_ = 0;
  size_t received_bytes_ = 0;
  bool dead_ = false;
};

} // namespace muster
