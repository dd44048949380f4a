#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace muster::gitlab {

/// Where a job stands. `pending` lasts until the runner has accepted the job,
/// also after it was handed out.
enum class job_state : uint8_t {
  created, ///< waits for other jobs of its pipeline
  pending,
  running,
  canceling, ///< asked to end; its after_script may still run
  success,
  failed,
  canceled,
  skipped, ///< not run, because of how others ended
  manual,  ///< `when: manual`: never run here
};

/// As GitLab spells it, also in `Job-Status`.
std::string_view to_string(job_state x);
std::optional<job_state> job_state_of(std::string_view word);

/// Whether nothing more will happen to the job.
bool ended(job_state x);

enum class run_when : uint8_t { on_success, on_failure, always, manual, never };

/// A job of a pipeline as the order of running sees it.
struct order_node {
  size_t stage = 0;          ///< place of its stage
  bool has_needs = false;    ///< waits for `needs` instead of earlier stages
  std::vector<size_t> needs; ///< indices of other jobs
  run_when when = run_when::on_success;
  job_state state = job_state::created;
  bool failure_allowed = false; ///< its failure does not count
  bool blocks = false; ///< when manual: later stages wait for it, so never run
};

/// Moves every `created` job on that can be: to `pending`, `skipped` or
/// `manual`; again and again until nothing changes.
///
/// A job waits until all jobs of earlier stages, or those it needs, have ended.
/// Then `on_success` asks that none failed (unless allowed) or was cancelled,
/// and that no needed one was skipped; `on_failure` that one failed. `manual`
/// waits as `on_success` does, and is then never run: a job that needs it, or
/// of a later stage if it `blocks`, is skipped.
///
/// Returns the indices of the jobs that became `pending`.
std::vector<size_t> advance(std::vector<order_node>& jobs);

} // namespace muster::gitlab
