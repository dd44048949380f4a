#pragma once

#include "messages/result.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster::gitlab {

enum class process_errc : uint8_t {
  cannot_start = 1, ///< the program is missing, or there are no resources
  failed,           ///< it ended with a failure; the text has its stderr
  timed_out,        ///< it was killed at its deadline
};

/// A program that is fed some bytes and whose output is read. It ends with this
/// object, by force if it must.
class child_process {
public:
  /// Starts `arguments` with `input` on its stdin and `environment`
  /// (`NAME=value`) added to ours.
  static result<child_process, process_errc>
  start(const std::vector<std::string>& arguments, const std::string& input,
        const std::vector<std::string>& environment = {});

  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&&) = delete;
  ~child_process();

  /// Returns the next piece of its output; empty at the end, at the deadline,
  /// or when `wanted` says no (asked five times a second).
  std::string read(std::chrono::steady_clock::time_point until,
                   const std::function<bool()>& wanted);
  /// Ends it, if need be, and returns its exit status; -1 if it was killed.
  int finish();
  /// What it wrote to stderr, at most 4 KiB.
  std::string errors() const;

private:
  child_process() = default;

  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
};

/// Runs a program to its end and returns its output, at most so many bytes.
result<std::string, process_errc>
run_program(const std::vector<std::string>& arguments,
            std::chrono::milliseconds timeout,
            size_t output_max = size_t{1} << 20);

} // namespace muster::gitlab
