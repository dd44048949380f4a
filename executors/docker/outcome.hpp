#pragma once

#include "executors/docker/stream.hpp"
#include "messages/plan.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <thread>

namespace muster::docker {

/// Something for a job's containers could not be done; the code is how the job
/// ends by it.
template <class T>
using job_result = result<T, plan_outcome>;

/// Returns the end of a job that a failed call means. @param doing `creating
/// the container x`
inline failure<plan_outcome> job_failure(const failure<engine_errc>& why,
                                         const std::string& doing) {
  bool wrong = why.code == engine_errc::bad_request;
  return {wrong ? plan_outcome::misconfigured : plan_outcome::broken,
          doing + ": " + why.text};
}

/// Whether the same call may work in a while.
inline bool may_pass(engine_errc x) {
  return x == engine_errc::unreachable || x == engine_errc::lost
         || x == engine_errc::timed_out || x == engine_errc::bad_answer
         || x == engine_errc::refused;
}

struct retry_pace {
  int tries = 3;
  std::chrono::milliseconds pause{3'000};
};

/// Calls `what` until it works, fails for good or `pace` is used up. It must be
/// the same to do it twice.
template <class F>
auto retried(const retry_pace& pace, const F& what) {
  auto x = what();
  for (int i = 1; i < pace.tries && !x && may_pass(x.error().code); ++i) {
    std::this_thread::sleep_for(pace.pause);
    x = what();
  }
  return x;
}

} // namespace muster::docker
