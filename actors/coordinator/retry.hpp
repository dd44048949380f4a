#pragma once

#include <chrono>
#include <cstdint>

namespace muster {

/// Tries of one call, the first included.
inline constexpr int call_tries_max = 5;

/// Whether a server that answers so asks to be asked again (reference/job-api,
/// section 1, retry layer). No answer at all is none of these.
bool is_retriable(int status);

/// How long to wait after so many tries: what the server wished for, else 100
/// ms, doubling up to a minute, of which `chance` (0 to 1) takes a part, so
/// that many clients do not come back at once.
std::chrono::milliseconds
retry_wait(int tries, std::chrono::milliseconds wished, double chance);

/// Makes a call until its answer is not retriable, or the tries are used up.
/// `wait` is given the time and the answer; false ends it.
template <class Call, class Wait>
auto with_retries(Call call, Wait wait, double (*chance)()) {
  for (auto tries = 1;; ++tries) {
    auto answer = call();
    if (!is_retriable(answer.status) || tries == call_tries_max
        || !wait(retry_wait(tries, answer.retry_after, chance()), answer))
      return answer;
  }
}

} // namespace muster
