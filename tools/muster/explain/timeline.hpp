#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace muster::explain {

/// What a runner was doing about its next job. Of several at once the later
/// one here counts: with a request at GitLab the job could have been had.
enum class hunt : uint8_t {
  pausing, ///< between two requests
  permit,  ///< it waits for one of `concurrent`
  promise, ///< its group has no slot to promise
  asking,  ///< a request is at GitLab
};

constexpr size_t hunts = 4;

/// A runner's way to its jobs, for as long back as it is kept: so much of a
/// job's time in GitLab's queue is ours to explain.
class timeline {
public:
  static constexpr size_t kept = 20'000;

  /// From `us` on. Times go forward; one that does not counts as the last.
  void set(int64_t us, hunt what);

  struct shares {
    std::array<int64_t, hunts> us{};
    int64_t unknown_us = 0; ///< before the first thing that is known
  };

  /// How the time from `from` to `to` was spent; the parts add up to it.
  shares between(int64_t from, int64_t to) const;

private:
  struct change {
    int64_t us = 0;
    hunt what = hunt::pausing;
  };

  std::deque<change> changes_;
};

} // namespace muster::explain
