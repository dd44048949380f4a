#pragma once

#include <string>
#include <sys/types.h>

namespace muster::local {

/// Reads a whole file; empty if it cannot be read.
std::string read_file(const std::string& path);

/// Returns the last lines of a log in one line, for an error's text; at most
/// 400 bytes.
std::string tail_of(const std::string& path);

/// Writes a file of its own name first and renames it then: it is never seen
/// half written. Returns what is wrong, or nothing.
std::string write_file(const std::string& path, const std::string& text,
                       mode_t mode);

/// Makes a folder; one that is there already is an error. Returns what is
/// wrong, or nothing.
std::string make_folder(const std::string& path, mode_t mode);

/// Starts a process that removes a folder with all that is in it, however deep
/// and whatever its rights, and says nothing. Returns its number, or -1.
pid_t start_removal(const std::string& path);

} // namespace muster::local
