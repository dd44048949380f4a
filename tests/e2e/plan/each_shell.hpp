#pragma once

#include "tests/e2e/plan/workplace.hpp"

#include <doctest/doctest.h>
#include <string>

namespace muster::test {

/// Where the project of `job_at` is, from the login directory.
inline const std::string project = "builds/ABCDEFGHI/0/project-7";

inline std::string notice(const std::string& text) {
  return "\x1b[32;1m" + text + "\x1b[0;m\n";
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at)
    ++count;
  return count;
}

/// Runs a test's body once for each shell, each in a place of its own. The body
/// gets the place and what runs a job there.
template <class Body>
void with_each_shell(Body body) {
  for (const std::string shell : {"bash", "dash"}) {
    CAPTURE(shell);
    workplace place;
    body(place, [&](const job_payload& job, const runner_config& config = {}) {
      return carry_out(plan_of(job, config).plan, shell, place);
    });
  }
}

} // namespace muster::test
