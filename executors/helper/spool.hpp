#pragma once

#include "executors/helper/frames.hpp"
#include "executors/helper/unique_fd.hpp"
#include "messages/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::helper {

/// The records of one job as the frames that go to its clients, in order, and
/// readable from any of them. The last 64 KiB stay in memory, so that a small
/// job touches no disk; what is older goes to a file without a name, which is
/// gone when its supervisor is.
class spool {
public:
  static constexpr uint64_t bound_default = 256ull << 20; ///< [bytes]
  static constexpr size_t tail_max = 64u << 10;           ///< [bytes]
  /// What is kept in memory when the disk takes no more. [bytes]
  static constexpr size_t spare_max = 8u << 20;

  /// `path` names the file while it is being made; its folder must exist when
  /// the first 64 KiB are full.
  explicit spool(std::string path, uint64_t bound_bytes = bound_default);

  /// Appends output, cut into records. Beyond the bound output is counted and
  /// dropped: the log has one end, no holes. A disk that is full is tried again
  /// now and then, and meanwhile the output stays in memory, within a bound.
  void append_output(int64_t time_us, frames::output_stream stream,
                     std::string_view bytes);

  /// Appends `stage_begun`, `stage_ended` or `job_ended`, which gets the next
  /// number. These are never dropped.
  template <class Record>
  void append(Record x) {
    x.record = begin_record();
    tail_ += frames::encode(frames::frame{std::move(x)});
    end_record();
  }

  uint64_t records() const {
    return records_;
  }

  uint64_t size_bytes() const {
    return stored_bytes_ + tail_.size();
  }

  uint64_t dropped_bytes() const {
    return dropped_bytes_;
  }

  /// Returns why output was lost, for people; empty if none was.
  std::string loss_text() const;

  /// Returns where a record begins: `size_bytes()` for one that is not there
  /// yet. Errors: `failed` if the file cannot be read.
  result<uint64_t, helper_errc> offset_of(uint64_t record) const;

  /// Returns whole frames from `offset` on, some 64 KiB of them or one that is
  /// larger; empty exactly at the end. The view lasts until the next call of
  /// any function here.
  /// @pre a frame begins at `offset`
  /// Errors: `failed` if the file cannot be read.
  result<std::string_view, helper_errc> read(uint64_t offset);

private:
  uint64_t begin_record();
  void end_record();
  void append_piece(int64_t time_us, frames::output_stream stream,
                    std::string_view bytes);
  void store_tail();
  bool open_file();
  void give_up(const char* what);
  result<std::string_view, helper_errc> load_frames(uint64_t offset,
                                                    size_t size_max);
  result<size_t, helper_errc> load(uint64_t offset, char* to,
                                   size_t size) const;

  std::string path_;
  uint64_t bound_bytes_;
  unique_fd file_;
  std::string tail_;
  std::string loaded_;  ///< what `read` took from the file
  std::string error_;   ///< why the disk took no more; empty: it did
  size_t retry_at_ = 0; ///< size of the tail at which the disk is tried again
  std::vector<uint64_t> offsets_; ///< of every 64th record [bytes]
  uint64_t stored_bytes_ = 0;     ///< in the file
  uint64_t records_ = 0;
  uint64_t dropped_bytes_ = 0;
};

} // namespace muster::helper
