#pragma once

#include "tools/muster/simulate/history.hpp"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::simulate {

/// What of a job is looked at.
enum class job_field : uint8_t {
  queued_at,
  created_at,
  started_at,
  finished_at,
  duration,
  queued_duration,
  status,
  tags,
};
inline constexpr size_t job_fields = 8;

/// Of a job that nobody knows when to queue.
inline constexpr std::string_view no_queued_time
  = "the job has no queued_at, no started_at with queued_duration, and no "
    "created_at: one of them is needed";

/// The name in `names` that `field` was probably meant by, as the end of a
/// sentence; empty if there is none.
std::string meant_by(std::string_view field,
                     const std::vector<std::string_view>& names);

/// Whether two names are one, as names of fields are compared.
bool same_name(std::string_view a, std::string_view b);

/// The field of a name; nothing for names that do not matter. Letter case makes
/// no difference.
std::optional<job_field> job_field_of(std::string_view name);

/// `2026-11-23T08:15:30.5Z`, `2026-11-23 09:15:30 +01:00`, `1795421730`.
std::optional<history_time> parse_history_time(std::string_view text);

/// `90`, `12.5`, `1m30s`; at most some three years.
std::optional<std::chrono::milliseconds>
parse_history_duration(std::string_view text);

/// The values of one job, put together.
struct job_record {
  std::array<std::optional<history_time>, 4> times; ///< by field
  std::optional<std::chrono::milliseconds> duration;
  std::optional<std::chrono::milliseconds> queued_duration;
  bool is_over = true; ///< as far as its status tells
  std::vector<std::string> tags;

  /// Sets a field from one text; what is empty is not given, and tags are added
  /// to those there. Returns what is wrong with the text, or nothing.
  std::optional<std::string> set(job_field what, std::string_view text);

  void clear();
};

/// Collects jobs into a history.
class history_builder {
public:
  explicit history_builder(const history_limits& limits) : limits_(limits) {
  }

  /// Takes a job in, or counts it as not run. `line`: where it begins. Returns
  /// what is wrong with it, or nothing.
  std::optional<std::string> add(job_record& x, size_t line);

  /// Puts them in order.
  history finish();

private:
  struct place {
    history_time queued;
    size_t line = 0;
  };

  std::optional<std::string> widen(const place& x);

  history_limits limits_;
  history out_;
  place first_; ///< by time; of no meaning before there are jobs
  place last_;
  std::map<std::vector<std::string>, uint32_t> known_;
};

} // namespace muster::simulate
