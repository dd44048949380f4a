#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

// A segment is a file: eight letters, the version of the format, and frames of
// `u32 length | u32 CRC-32C | payload`, little endian. The first frame is the
// head, the others are records. docs/recorder.md has it all.

inline constexpr std::string_view segment_magic = "MUSTREC\n";
inline constexpr uint32_t segment_version = 1;
inline constexpr size_t segment_prefix_bytes = 12; ///< magic and version
inline constexpr size_t frame_prefix_bytes = 8;
/// Of a payload. What is longer is not written, and not read.
inline constexpr size_t frame_bytes_max = 4 << 20;

/// What all records of a segment need.
struct segment_head {
  std::string run_id;
  std::string version;            ///< of the muster that wrote it
  std::string revision;           ///< likewise
  uint64_t segment = 1;           ///< of the run
  uint64_t first_number = 1;      ///< of its records
  int64_t run_unix_us = 0;        ///< when the run began, Unix time [us]
  uint64_t secrets = 0;           ///< numbers given to secrets until then
  std::vector<std::string> types; ///< of messages, by their numbers
};

/// A record, its message still in bytes.
struct raw_record {
  static constexpr uint8_t is_input = 1;
  static constexpr uint8_t is_timer = 2;
  static constexpr uint8_t in_snapshot = 4;

  uint8_t kind = 0; ///< `record_kind`
  uint8_t flags = 0;
  uint64_t number = 0;
  int64_t at_ns = 0;
  int64_t unix_us = 0;
  uint64_t from = 0;
  uint64_t to = 0;
  std::string_view role = {}; ///< of `to`: of a birth or a state
  uint64_t life = 0;          ///< likewise
  uint64_t missing = 0;       ///< of a gap
  std::string_view body = {}; ///< type and fields; may be empty
};

/// Appends `magic | version`.
void put_segment_prefix(std::string& to);

/// Appends a whole frame.
void put_frame(std::string& to, std::string_view payload);

/// Fills in the eight bytes before a payload.
void fill_frame_prefix(char* at, std::string_view payload);

/// Appends the payload of the head.
void put_head(std::string& to, const segment_head& x);

/// Appends the payload of a record but for its body. `run_unix_us` is the
/// head's.
void put_record(std::string& to, const raw_record& x, int64_t run_unix_us);

/// Reads one segment, foreign bytes.
class segment_reader {
public:
  /// Errors: `not_readable`: it is no segment, a newer version's, or damaged
  /// before its first record.
  static result<segment_reader, journal_errc> open(std::string bytes);

  const segment_head& head() const {
    return head_;
  }

  /// The next record; its texts live as long as this reader. Damaged ones are
  /// left out. Returns false at the end.
  bool next(raw_record& into);

  /// What was left out on the way here, and where, for people; empty: nothing.
  const std::string& damage() const {
    return damage_;
  }

  /// Records that were left out, if it can be known; a lower bound.
  size_t damaged() const {
    return damaged_;
  }

  /// The file ends within a record: whoever wrote it was ended so.
  bool is_cut_off() const {
    return cut_off_;
  }

private:
  bool next_frame(std::string_view& payload);
  bool find_next_frame();

  std::string bytes_;
  size_t at_ = 0;
  segment_head head_;
  std::string damage_;
  size_t damaged_ = 0;
  bool cut_off_ = false;
  size_t search_budget_ = 0;
};

/// Reads a segment's file. Errors: as `segment_reader::open`, and if it cannot
/// be read or is larger than any segment.
result<segment_reader, journal_errc> read_segment(const std::string& path);

/// The name of a segment's file: sorted by name they are in their order.
std::string segment_name(int64_t run_unix_us, const std::string& run_id,
                         uint64_t segment);

/// Whether a file has a name that a segment's may have.
bool is_segment_name(std::string_view name);

/// The paths of the segments of a folder in their order, or of that one file.
/// Errors: `not_readable`.
result<std::vector<std::string>, journal_errc>
find_segments(const std::string& path);

} // namespace muster
