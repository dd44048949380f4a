#pragma once

#include "providers/local/record.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::local {

using deadline = std::chrono::steady_clock::time_point;

/// What /proc/PID/stat says of a process.
struct process_stat {
  char state = '?'; ///< `R`, `S`, `T` (stopped), `Z` (ended, not reaped), ...
  pid_t parent = 0;
  uint64_t start_ticks = 0; ///< since the kernel's boot
  bool exiting = false;     ///< it runs no more of its program
};

/// Reads the text of /proc/PID/stat; nothing if it is not such a text. Pure.
/// The name of a program may hold anything, closing parentheses and spaces too.
std::optional<process_stat> parse_stat(std::string_view text);

std::optional<process_stat> stat_of(pid_t pid);

/// Names this run of the kernel; empty where it cannot be read.
std::string boot_id();

/// Milliseconds since the kernel's boot, time asleep included.
int64_t ms_since_boot();

/// Returns the identity of a process that is there now.
std::optional<process_id> identify(pid_t pid);

/// Whether that very process is still there; one that ended and was not reaped
/// is not.
bool is_alive(const process_id& what);

/// Whether it is alive and has not begun to exit. The first process of a PID
/// namespace exits for as long as others of it are being ended.
bool is_running(const process_id& what);

/// Sends SIGKILL to that very process, and to no other that got its number.
void kill_process(const process_id& what);

/// Waits until that process has ended, and reaps it if it is a child of ours.
/// Returns false if it had not by then.
bool wait_end(const process_id& what, deadline by);

/// Reaps a child that has ended; does nothing for all else.
void reap(pid_t pid);

/// Ends the processes of an instance that has no PID namespace: whatever
/// descends from `root` (which adopts the orphans among them), and whatever has
/// `mark` in its environment, in case `root` has gone before. Returns false if
/// some were left by then.
bool kill_tree(const process_id& root, const std::string& mark, deadline by);

} // namespace muster::local
