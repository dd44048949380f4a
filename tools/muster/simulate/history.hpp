#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace muster::simulate {

using history_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// A job that has run.
struct past_job {
  history_time queued; ///< from then on a runner could have taken it
  std::chrono::milliseconds duration{0};
  uint32_t tags = 0; ///< index of `history::tag_sets`

  bool operator==(const past_job&) const = default;
};

/// Jobs of the past, to be played again.
struct history {
  std::vector<past_job> jobs; ///< by time; those of one time as they came
  /// Each set once, its tags sorted; the first is empty.
  std::vector<std::vector<std::string>> tag_sets{{}};
  size_t not_run = 0; ///< left out: never begun, or not over
};

/// What is wrong with a file, and where.
struct history_fault {
  size_t line = 0;   ///< from 1; 0: about the file as a whole
  size_t column = 0; ///< from 1, in characters
  std::string text;
};

/// `line 3, column 14: ...`.
std::string to_string(const history_fault& x);

/// What is read at most; more is a fault.
struct history_limits {
  size_t jobs_max = 10'000'000;   ///< some 24 bytes each
  size_t tag_sets_max = 10'000;   ///< different ones
  size_t value_bytes_max = 4'096; ///< of a value that is looked at
  size_t columns_max = 1'000;     ///< of CSV
  size_t depth_max = 64;          ///< of JSON
  /// From the first job to the last; more is a wrong time, mostly.
  std::chrono::days span_max{400};
};

/// Reads jobs, in whatever form they are:
///
/// - CSV with a head; between cells are commas, semicolons or tabs;
/// - JSON, objects one after the other (JSON lines) or in arrays, as GitLab's
///   jobs API answers, also several of its pages in a row.
///
/// A job has `queued_at`; or `started_at` and `queued_duration`; or
/// `created_at`, the first of them that is there. How long it took is
/// `duration` (seconds, or as in `1h30m`), else `finished_at` less
/// `started_at`. What has neither, or a `status` in which it is not over, is
/// counted and left out. Tags are `tags` or `tag_list`, a list or words in one
/// text. Other names are passed over. Times are as in ISO 8601, of UTC where no
/// zone is said, or seconds since 1970.
///
/// The file is read in pieces: beside the jobs little is kept.
tl::expected<history, history_fault>
read_history(std::istream& from, const history_limits& limits = {});

/// `2026-11-23 08:15:30 UTC`.
std::string to_string(history_time x);

} // namespace muster::simulate
