#pragma once

#include "actors/recorder/record.hpp"
#include "actors/recorder/segment.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace muster {

/// Which states and configurations that segments begin with are handed out.
enum class snapshots : uint8_t {
  first, ///< where a run begins to be read, and after a gap
  all,
};

/// Reads a recording, a file or a whole folder with what several runs have
/// left, record by record. What is damaged is left out and told.
class recording_reader {
public:
  /// Errors: `not_readable`: there is nothing that can be read.
  static result<recording_reader, journal_errc>
  open(const std::string& path, snapshots which = snapshots::first);

  /// The next record, in the order of the files. Returns false at the end.
  bool next(record& into);

  /// The head of the segment that the last record was from.
  const segment_head& head() const {
    return head_;
  }

  /// The segment's file.
  const std::string& file() const {
    return file_;
  }

  /// What could not be read so far, for people: a file or a part of one each.
  const std::vector<std::string>& problems() const {
    return problems_;
  }

  /// Files that end within a record: their writers were ended so.
  size_t cut_off() const {
    return cut_off_;
  }

private:
  bool next_segment();
  void end_segment();
  void know(const raw_record& x);
  bool take(const raw_record& from, record& into);
  record missing(uint64_t count) const;
  player find(uint64_t number) const;

  std::vector<std::string> files_;
  size_t next_file_ = 0;
  snapshots which_ = snapshots::first;
  std::optional<segment_reader> segment_;
  segment_head head_;
  std::string file_;
  std::unordered_map<uint64_t, player> players_; ///< of the run
  std::optional<record> held_;                   ///< comes after a gap
  uint64_t last_number_ = 0;                     ///< in the run
  bool shows_snapshot_ = true;
  record last_;
  std::vector<std::string> problems_;
  size_t cut_off_ = 0;
};

} // namespace muster
