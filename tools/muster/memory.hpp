#pragma once

#include <chrono>

namespace muster {

/// Gives memory back to the system when the process has become quiet: what
/// start-up and bursts of jobs took from the heap, and the pages of programs
/// and libraries that only they ran through. The kernel maps these again, from
/// its cache, when they are called.
class memory_keeper {
public:
  /// How often `look` is meant to be called.
  static constexpr std::chrono::seconds interval{10};

  /// Compares the CPU time used since the last call with what a quiet process
  /// takes, and gives memory back once after each busy time.
  void look();

private:
  std::chrono::nanoseconds seen_{0};    ///< CPU time at the last call
  std::chrono::nanoseconds trimmed_{0}; ///< CPU time when memory was given back
};

} // namespace muster
