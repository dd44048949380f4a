#pragma once

#include "executors/helper/unique_fd.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

/// The processes of a job. What runs a job is a subreaper: each descendant,
/// also one that left its session or lost its parent, stays below it, so that
/// "no child is left" proves that nothing is left.
namespace muster::helper {

/// Makes this process the parent of all orphans below it.
/// Errors: `failed`.
result<void, helper_errc> become_subreaper();

/// Returns the path of a shell: `wanted` itself if it has a slash (relative to
/// `home`), else what `search_path` (as in PATH) has; nothing wanted means bash
/// if it is there, else sh. Errors: `failed`, with what was looked for and
/// where.
result<std::string, helper_errc> find_shell(const std::string& wanted,
                                            const std::string& home,
                                            const std::string& search_path);

/// A program to start in a session of its own, with default signals.
struct program_request {
  std::string path;
  std::vector<std::string> arguments;   ///< the program's name first
  std::string home;                     ///< where it starts; absolute
  std::vector<std::string> environment; ///< `NAME=value`
  int in = -1;                          ///< its standard input; -1: nothing
  /// Become its descriptors 3, 4, ... ; none of them is below 10.
  std::vector<int> further;
};

/// A script to run: a shell that reads it from its standard input.
struct script_request {
  std::string shell; ///< path
  std::string home;  ///< where it starts; absolute
  std::string_view script;
  std::vector<std::string> environment; ///< `NAME=value`
};

/// A shell, or another program, under way. The pipes are non-blocking at our
/// end.
struct running_script {
  pid_t shell = -1;
  unique_fd out;
  unique_fd err;
};

/// Returns this process's environment without what names a job of its own:
/// MUSTER_JOB_KEY and CI_JOB_STATUS.
std::vector<std::string> environment_without_job();

/// Starts a program whose output comes through pipes.
/// Errors: `failed`: no process, no memory, no pipe, or it cannot be executed.
result<running_script, helper_errc> start_program(const program_request& what);

/// Starts a shell in a session of its own, with default signals.
///
/// Its standard input is a file in memory: bash reads a pipe byte by byte, one
/// system call each, which costs more than the rest of a short script.
/// Errors: `failed`: no process, no memory, no pipe, or the shell cannot be
/// executed.
result<running_script, helper_errc> start_script(const script_request& what);

/// Returns a file without a name that holds `text` and is read from its start;
/// its descriptor is 10 or above. Errors: `failed`.
result<unique_fd, helper_errc> make_file_in_memory(std::string_view text);

struct exited {
  pid_t pid = -1;
  int exit_code = 0; ///< 128 + n after signal n
};

/// Reaps one child that has ended; nothing if none has.
std::optional<exited> reap();

/// Returns whether this process has children, living or not yet reaped.
bool has_children();

/// Returns all processes below this one, as they are now; `except` and what is
/// below them are left out.
std::vector<pid_t> descendants(const std::vector<pid_t>& except = {});

/// Sends a signal to processes; what is gone already is ignored.
void signal_all(const std::vector<pid_t>& processes, int signal);

/// Returns processes for people: `1234 (sleep), 1250 (sh)`, the first few.
std::string describe(const std::vector<pid_t>& processes);

/// Returns this user's processes whose initial environment has this entry, this
/// process and its ancestors left out.
std::vector<pid_t> processes_with(const std::string& entry);

} // namespace muster::helper
