#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// The manager's own lines in a job's trace, byte for byte (reference/trace,
/// sections 1 to 3). All return whole lines unless they say otherwise.
namespace muster::trace_text {

std::string plain(std::string_view text);
std::string info(std::string_view text);
std::string warning(std::string_view text);
std::string soft_error(std::string_view text);
std::string error(std::string_view text);
std::string heading(std::string_view text);

/// Markers around a stage, without a line end: what follows stands on the same
/// line. Only for jobs with `trace_sections`.
std::string section_start(int64_t unix_seconds, std::string_view name);
std::string section_end(int64_t unix_seconds, std::string_view name);

/// What a trace begins with.
struct header_facts {
  std::string version;
  std::string revision;
  std::string runner_name;
  std::string short_token; ///< empty: the second line is left out
  std::string system_id;
  std::string changed_flags; ///< `FF_A:true, FF_B:false`; empty: no such line
};

std::string header(const header_facts& facts);

// -- section prepare_executor of the `instance` executor ----------------------

std::string prepare_executor_heading(std::string_view executor);
std::string preparing_instance();

/// An empty address is not shown.
std::string dialing_instance(std::string_view id, std::string_view internal,
                             std::string_view external);
std::string instance_connected(std::string_view id);

/// A try failed and is repeated: two lines.
std::string preparation_failed(std::string_view why,
                               std::chrono::nanoseconds retry_in);

/// Heading of the section `clear_worktree`, without colour and line end.
std::string clearing_worktree();

/// Between the attempts of a stage.
std::string retrying();

// -- while the job runs -------------------------------------------------------

std::string canceled_externally();
std::string stage_out_of_time(std::string_view stage);
std::string after_script_failed(std::string_view why);
std::string still_unwinding(); ///< a stopped stage did not end in time

// -- the final line -----------------------------------------------------------

std::string job_succeeded();

/// The job failed for `why`, one of the texts below or a configuration error.
std::string job_failed(std::string_view why);

/// The job failed for a reason of ours: `runner_system_failure`.
std::string job_failed_by_system(std::string_view why);

// Why a job failed: texts without colour and line end, also for the log.

std::string script_exited(int32_t exit_code, bool in_container = false);
std::string job_timed_out(std::chrono::nanoseconds timeout);
std::string script_timed_out();
std::string prepare_timed_out(std::chrono::nanoseconds timeout);
std::string get_sources_timed_out(std::chrono::nanoseconds timeout);
std::string canceled();
std::string aborted_by_terminate();                   ///< SIGTERM
std::string aborted_by_interrupt();                   ///< SIGINT
std::string environment_failed(std::string_view why); ///< prepare_script
std::string acquire_timed_out(std::chrono::nanoseconds timeout);
std::string panicked(std::string_view what); ///< a fault in muster itself

} // namespace muster::trace_text
