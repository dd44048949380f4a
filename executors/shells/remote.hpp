#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Commands for an instance on which no helper runs: what carries out a script
/// there, finds its processes, and ends them. Plain POSIX, for any login shell.
namespace muster::remote {

/// Stands in the environment of all processes of a job. No key is the start of
/// another one's mark.
std::string mark_of(std::string_view key);

struct script_request {
  std::string_view key;
  std::string_view shell;      ///< as in a plan; empty: bash if there, else sh
  std::string_view job_status; ///< CI_JOB_STATUS; empty: not set
  std::string_view token;      ///< see `exit_filter`
};

/// Returns the command that reads a script from its standard input and runs it.
/// After its end it prints the exit code behind `token` to stderr: what the
/// script left in the background may hold the channel open.
std::string script_command(const script_request& what);

/// Returns the command that sends SIGTERM to a job's processes.
std::string terminate_command(std::string_view key);

/// Returns the command that kills a job's processes until none is left, for
/// some 10 s, then removes `temp_dir` (relative to the login folder; may be
/// empty). Prints what `read_sweep` reads.
std::string sweep_command(std::string_view key, std::string_view temp_dir);

/// Stands before what `streamed_command` prints.
constexpr std::string_view stream_mark = "\001muster\001";

/// Returns the command that runs `words`, a program's name and arguments as a
/// shell has them, with its output behind `stream_mark`: start-up files of the
/// login shell may print before (see `marked_sink`).
std::string streamed_command(std::string_view words);

/// Returns the command that has the helper `program` lead to its socket, where
/// the server forwards none. As with `streamed_command`, behind a mark.
std::string bridge_command(std::string_view program,
                           std::string_view socket_path);

struct sweep_answer {
  bool clean = false; ///< nothing is left
  std::string text;   ///< why not
};

sweep_answer read_sweep(std::string_view output);

/// Takes what `script_command` adds out of a script's stderr.
class exit_filter {
public:
  explicit exit_filter(std::string token);

  /// Returns what of the bytes, and of those held back before, is the script's.
  std::string feed(std::string_view bytes);

  /// Returns what was held back; nothing follows.
  std::string close();

  /// The exit code, once it has come.
  std::optional<int32_t> exit_code() const {
    return code_;
  }

private:
  size_t find_mark();

  std::string mark_;
  std::string held_;
  std::optional<int32_t> code_;
};

} // namespace muster::remote
